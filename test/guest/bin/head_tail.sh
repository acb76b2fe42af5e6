# head and tail
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
i=1; while [ $i -le 15 ]; do echo $i; i=$((i+1)); done > n
head n; head -n 2 n; head -c 4 n; head -2 n n
tail -n 3 n; tail -n +14 n; tail -c 5 n; tail -2 n; tail n | head -1
cat n | tail -n 1; printf 'x\ny' | tail -n 1; echo
head nosuch 2>/dev/null; echo $?
