echo one; echo two
true && echo and; false || echo or; false && echo no; true || echo no
! true; echo $?; ! false; echo $?
true; false; echo $?
{ echo group; } ; ( echo subshell )
:
x=1 y=2; echo $x$y
echo a;echo b;:;echo c # comment
echo a#b '#c' \#d
