(exit 3) & wait $!; echo $?
sleep 0 & p=$!; wait $p; echo $?
{ sleep 0; echo bg; } & wait; echo done
(exit 1) & a=$!; (exit 2) & b=$!; wait $b; echo $?; wait $a; echo $?
wait 99999 2>/dev/null; echo $?
true & wait $! && echo ok
x=1; x=2 & wait; echo $x
f() { return 6; }; f & wait $!; echo $?
echo a | cat & wait
