# cat: order, -n, -b, -s, -e, -t, missing file
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
printf 'a\n\n\nb\tc\n' > f
cat f f
cat -n f
cat -b f
cat -s f
cat -et f
echo in | cat f - | wc -l | tr -d ' '
cat nosuch 2>&1; echo $?
