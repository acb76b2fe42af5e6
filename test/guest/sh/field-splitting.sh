x='a b  c'; for i in $x; do echo "<$i>"; done
IFS=:; y='a:b::c'; for i in $y; do echo "<$i>"; done
y=':lead'; for i in $y; do echo "<$i>"; done
y='trail:'; for i in $y; do echo "<$i>"; done
IFS=' :'; y='a : b:c  d'; for i in $y; do echo "<$i>"; done
y=' : x'; for i in $y; do echo "<$i>"; done
IFS=; y='a b'; for i in $y; do echo "<$i>"; done
unset IFS; y='a	b
c'; for i in $y; do echo "<$i>"; done
e=; for i in $e; do echo no; done; for i in "$e"; do echo "<$i>"; done
for i in $e"" ; do echo "<$i>"; done
for i in a$x"b c"$x; do echo "<$i>"; done
IFS=,; z=1,2,3; set -- $z; echo $# $2; set -- "$z"; echo $#
IFS=x; w=axbxc; echo $w "$w" axb
IFS=' '; v=' a '; echo "[" $v "]"; set -- $v$v; echo $#
IFS=:; set -- a:b; echo $#; c=a:b; set -- "x"$c"y"; echo $# $1 $2
