s=x; i=0; while [ $i -lt 13 ]; do s=$s$s; i=$((i+1)); done; echo ${#s}
set -- $(i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done); echo $# $1 ${1000}
x=$(i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done); echo ${#x}
eval "y='$s'"; [ "$y" = "$s" ] && echo eq
echo "$x" | wc -l | tr -d ' '
