a=1; b=$a; c="$a $b"; echo $c
a=x b=$a; echo $a $b
unset a; echo "[$a]" "[${a-unset}]"
e=; echo "[${e-unset}]" "[${e:-empty}]"
HOME=/h; echo ~ ~/x "~" '~' a~ ~/"q"
p=~:~/b; echo $p
q="~"; echo $q
long_name_1=v; echo ${long_name_1}x $long_name_1
x=1; (x=2; echo $x); echo $x
x=outer; { x=inner; }; echo $x
export E1=exported; sh -c 'echo $E1' 2>/dev/null
T=temp sh -c 'echo $T'; echo "[$T]"
readonly R=1; (R=2) 2>/dev/null || echo ro
(unset R) 2>/dev/null || echo ro2
A=1; A=2 :; echo $A
v=a; w=b; v=$w w=$v; echo $v $w
