sum() { s=0; for n; do s=$((s + n)); done; echo $s; }; sum 1 2 3; sum
max() { m=$1; shift; for n do [ $n -gt $m ] && m=$n; done; echo $m; }; max 3 9 4
join() { sep=$1; shift; out=$1; shift; for w; do out=$out$sep$w; done; echo "$out"; }; join , a b c; join ' - ' 'x y' z
last() { eval "echo \${$#}"; }; last p q r
rev() { if [ $# -gt 0 ]; then f=$1; shift; rev "$@"; printf '%s ' "$f"; fi; }; rev 1 2 3; echo
