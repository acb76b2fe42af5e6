unset u; n=; s=set
echo "${u-a}" "${n-a}" "${s-a}"
echo "${u:-a}" "${n:-a}" "${s:-a}"
echo "${u+a}" "${n+a}" "${s+a}"
echo "${u:+a}" "${n:+a}" "${s:+a}"
echo "${u=d1}" "$u"; unset u
echo "${n=d2}" "[$n]"; echo "${n:=d3}" "$n"
(echo "${zz?}") 2>/dev/null || echo fails
(echo "${zz:?custom}") 2>&1 | sed 's/.*: //'
echo "${u-$(echo sub)}" ${u-`echo bq`} ${u-$((2*3))}
echo "${u-"in quotes"}" ${u-'sq} x'} "${u-a b}" 
for w in ${u-a b "c d"}; do echo "<$w>"; done
for w in "${u-a b}"; do echo "<$w>"; done
echo ${u-${n:-${s}}} "${u:-"${s}x"}"
echo "${u-a\}b}" ${u-a\}b}
echo ${u:-~} | sed "s|$HOME|HOME|"
echo "${#}" ${#u} ${#s} 
set -- a b c; echo $# ${#} ${1:-x} ${4:-y}
echo ${10:-ten} "${*:+star}" "${@:+at}"
