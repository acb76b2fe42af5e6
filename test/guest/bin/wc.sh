# wc: counts by column
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
printf 'one two\nthree\n' > f; : > e
wc f; wc -l f e; wc -w < f; wc -c < f; wc -L < f; printf 'no newline' | wc
wc nosuch 2>/dev/null; echo $?
