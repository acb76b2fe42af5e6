d=${TMPDIR:-/tmp}/shdot.$$; mkdir $d
echo 'echo sourced $1; v=set; return 3; echo no' > $d/a
. $d/a; echo $? $v
echo 'f() { echo from file; }' > $d/b; . $d/b; f
echo 'false' > $d/c; . $d/c; echo $?
: > $d/e; false; . $d/e; echo $?
PATH=$d:$PATH; . b; f
for i in 1 2; do . $d/c; done; echo $?
rm -r $d
