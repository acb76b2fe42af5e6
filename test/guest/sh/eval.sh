eval echo hi; eval 'echo "a  b"'
x='echo y'; eval $x; eval "$x z"
v=name; eval $v=val; echo $name; eval "echo \$$v"
eval 'for i in 1 2; do echo $i; done'
eval; echo $?; eval ''; echo $?
eval false; echo $?
eval 'if true' '; then echo split; fi'
eval "f() { echo defd; }"; f
eval 'x=1; eval "y=\$x"'; echo $y
for i in 1 2; do eval 'break'; done; echo $i
n=3; eval "v$n=dyn"; echo $v3
eval 'echo a
echo b'
eval exit_status=5 && echo $exit_status
