fib() { if [ $1 -lt 2 ]; then r=$1; else local a; fib $(($1-1)); a=$r; local n=$1; fib $((n-2)); r=$((a+r)); fi; }
fib 10; echo $r
d() { [ $1 = 0 ] || d $(($1-1)); }; d 200; echo deep
t() { if [ $# -gt 0 ]; then echo $1; shift; t "$@"; fi; }; t a b c
e() { eval "case \$1 in 0) echo zero;; *) e \$((\$1-1));; esac"; }; e 5
