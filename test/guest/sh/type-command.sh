f() { :; }
command -v cd; command -v f; command -v nosuchx || echo none
command -v if; type f | sed -n 's/.*function.*/function/p'
command -v sh >/dev/null && echo found
echo() { printf 'func\n'; }; command echo real; echo x; unset -f echo
command cd /; pwd; command -p echo p
command nosuch_x 2>/dev/null; echo $?
(command readonly X; command export Y=1; echo $Y)
command : > /dev/null; command eval 'echo ev'
(command . /nosuch 2>/dev/null; echo continues)
alias al='x y'; command -v al; unalias al
command; echo $?
