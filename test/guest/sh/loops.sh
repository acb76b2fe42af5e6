i=0; while [ $i -lt 3 ]; do echo w$i; i=$((i+1)); done
i=0; until [ $i -ge 3 ]; do echo u$i; i=$((i+1)); done
for i in a b c; do echo $i; done
for i in; do echo no; done; echo $?
set -- p q; for i do echo $i; done; for i; do echo $i; done
for i
in 1 2
do echo nl$i
done
for i in 1 2 3 4 5; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done
for i in 1 2; do for j in a b c; do [ $j = b ] && continue 2; echo $i$j; done; done
for i in 1 2; do for j in a b; do break 2; done; echo no; done; echo broke
while false; do :; done; echo $?
while :; do break; done; echo $?
i=0; while true; do i=$((i+1)); if [ $i -gt 5 ]; then break; fi; case $i in 2|4) continue;; esac; echo $i; done
for i in 1 2 3; do echo $i; done | while read x; do echo "[$x]"; done
for i in "a b" c; do echo "$i"; done
for x in 1; do for y in 2; do for z in 3; do break 99; done; done; done; echo out
until true; do echo no; done
while echo once; false; do :; done
