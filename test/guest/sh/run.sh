#!/bin/sh
# run.sh SHELL [case...]: run the cases of this directory with SHELL (also as the `sh` they call, so put it
# first in PATH) and compare what they print with NAME.out, which dash and bash --posix agree on.
shell=$1
shift
cd "$(dirname "$0")" || exit 2
[ $# -gt 0 ] || set -- *.sh
bad=0 n=0
for f in "$@"; do
	f=${f%.sh}
	[ "$f" = run ] && continue
	n=$((n + 1))
	"$shell" "./$f.sh" </dev/null >"${TMPDIR:-/tmp}/sh-out.$$" 2>/dev/null
	if ! cmp -s "${TMPDIR:-/tmp}/sh-out.$$" "$f.out"; then
		bad=$((bad + 1))
		echo "not ok $f"
		diff "$f.out" "${TMPDIR:-/tmp}/sh-out.$$" | head -20
	fi
done
rm -f "${TMPDIR:-/tmp}/sh-out.$$"
echo "$((n - bad)) of $n"
[ $bad -eq 0 ]
