(echo a; echo b) | cat
x=1; (x=2; cd /; echo $x); echo $x
(exit 4); echo $?
( (echo deep) )
(trap 'echo bye' EXIT; echo in)
f() { echo func; }; (f); (f() { echo over; }; f); f
(set -- x y; echo $#); echo $#
( echo a ) && ( echo b ) || ( echo c )
(echo 1; (echo 2; (echo 3)))
a=$( (echo x) ); echo $a
(return 3 2>/dev/null); echo after
(false); echo $?; (false) || echo caught
