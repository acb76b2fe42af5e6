x=1; unset x; echo "${x-gone}"; f() { :; }; unset -f f; f 2>/dev/null || echo nofunc
unset nosuch; echo $?; x=1; unset -v x; echo "[$x]"
HOME=; echo "[$HOME]"
PATH=/nosuch; ls 2>/dev/null; echo $?
