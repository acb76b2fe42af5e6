sh <<'EOF'
echo one
cat <<X
in here
X
echo two
EOF
echo 'echo from stdin; echo $#' | sh -s a b
sh -c 'echo $0 $1 $#' name arg
printf 'echo x\nexit 3\necho no\n' | sh; echo $?
