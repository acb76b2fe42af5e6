d=${TMPDIR:-/tmp}/shtest.$$; mkdir $d; cd $d
echo one > f; echo two >> f; cat < f
cat f > g 2>&1; cat g
echo err 2>e >&2; cat e
{ echo o; echo e >&2; } > both 2>&1; cat both
3>h; echo three >&3 2>/dev/null || echo closed
exec 3> h; echo three >&3; exec 3>&-; cat h
exec 4< f; read a <&4; read b <&4; echo "$a $b"; exec 4<&-
echo rw 1<> rwf; cat rwf
set -C; (echo clob > f) 2>/dev/null || echo refused; echo forced >| f; cat f; set +C
> empty; [ -f empty ] && [ ! -s empty ] && echo empty
cat <nonexistent 2>/dev/null || echo nofile
if true; then echo in-if; fi > cmp; cat cmp
for i in 1 2; do echo $i; done > loop; cat loop
while read x; do echo "r:$x"; done < loop
f() { echo func; } > ff; f; cat ff
echo a 2>&1 1>x | cat; cat x
n=1; echo dup >&$n
echo hidden 1>&-  2>/dev/null; echo after
cat < f - <<X
stdin
X
cd /; rm -r $d
