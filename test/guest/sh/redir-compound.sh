d=${TMPDIR:-/tmp}/shrc.$$; mkdir $d; cd $d
{ echo a; echo b; } > f; (echo c; echo d) >> f; cat f
while read x; do case $x in a) echo is-a;; *) echo "not $x";; esac; done < f > g; cat g
for i in 1 2; do cat; done <<E
doc
E
if read x; then read y; echo "$x$y"; fi < f
f() { read a; echo "f:$a"; cat >&2; } 2>&1; f < f
case x in x) cat;; esac < g
until read z; do :; done < f; echo $z
{ cat f; } | { while read l; do echo "p:$l"; done; } > h; cat h
exec 3< f; while read a <&3; do read b <&3; echo $a$b; done; exec 3<&-
echo to stderr 2>&1 >&2 | cat
{ echo 1; echo 2 >&2; } 2>/dev/null; { { echo x >&3; } 3>&1; } | cat
cd /; rm -r $d
