# grep: regular expressions, options, context, exit codes
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
printf 'foo\nbar\nfoobar\nFOO\n\na.c\nabc\n' > f
grep foo f; grep -i foo f; grep -v o f; grep -n bar f; grep -c foo f
grep -w foo f; grep -x foo f; grep -F a.c f; grep 'a.c' f; grep -E 'foo|abc' f
grep -o 'o*b' f; grep -e abc -e bar f; grep -l foo f; grep -L foo f; echo $?
grep '^$' f | wc -l | tr -d ' '; grep -E '^(f|F)[oO]{2}$' f; grep '\(o\)\1' f
grep -A1 -n '^bar' f; grep -B1 '^bar' f; grep -C1 abc f; grep -m1 foo f
grep -q foo f; echo $?; grep nothing f; echo $?; grep x nosuch 2>/dev/null; echo $?; grep '\(' f 2>/dev/null; echo $?
mkdir d; echo foo > d/x; grep -r foo d; grep foo f d/x; grep -h foo f d/x; printf 'ab\n' > p; grep -f p f
