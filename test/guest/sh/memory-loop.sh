i=0; while [ $i -lt 3000 ]; do x="$x"; y=$((i*2)); set -- $y a b; case $1 in *9) z=$y;; esac; i=$((i+1)); done; echo $i $z
f() { local q=$1; eval "w=$q"; }; i=0; while [ $i -lt 1000 ]; do f $i; i=$((i+1)); done; echo $w
i=0; while [ $i -lt 300 ]; do x=$(echo $i); i=$((i+1)); done; echo $x
