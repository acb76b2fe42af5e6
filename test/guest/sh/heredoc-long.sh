i=0; s=
while [ $i -lt 12 ]; do s="$s$s"abcdefgh; i=$((i+1)); done
echo ${#s}
cat <<EOF | wc -c | tr -d ' '
$s
EOF
cat <<'EOF' >/dev/null && echo ok
x
EOF
