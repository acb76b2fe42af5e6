x=world
cat <<EOF
hello $x $(echo sub) `echo bq` $((1+2)) \$x \\ "q" 'q'
cont\
inued
EOF
cat <<'EOF'
raw $x $(no) \$x \
line
EOF
cat <<"E F"
quoted delim $x
E F
cat <<-EOF
	tab stripped
		two $x
	EOF
cat <<A; cat <<B
first
A
second
B
cat <<EOF | sed s/a/b/
banana
EOF
while read l; do echo "[$l]"; done <<EOF
l1
l2
EOF
f() { cat <<EOF
in func $1
EOF
}
f arg
cat <<EOF
${x:-d} ${y-"quoted d"} ${x#wo}
EOF
cat <<\E
$x
E
echo "$(cat <<EOF
nested $x
EOF
)"
cat <<EOF
EOF
echo end
