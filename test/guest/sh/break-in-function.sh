for i in 1 2 3; do f() { echo f$i; }; f; [ $i = 2 ] && break; done
while :; do while :; do break; done; echo outer; break; done
for i in a b; do { continue; echo no; }; echo no; done; echo $i
for i in a b; do if true; then continue; fi; echo no; done
for i in 1 2; do case $i in 1) continue;; esac; echo $i; done
i=0; until [ $i = 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done
for i in 1 2 3; do echo $i; done | while read x; do [ $x = 2 ] && break; echo $x; done
