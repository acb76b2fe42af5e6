f() { local x; x=1; g; echo $x; }; g() { x=2; }; x=0; f; echo $x
f() { local x=a; local y="$x b" z; echo "$x|$y|${z-unset}"; }; f
f() { local IFS=:; set -- a:b; v=a:b; set -- $v; echo $#; }; f; v="a b"; set -- $v; echo $#
f() { local x=1; if [ $1 -gt 0 ]; then x=$1; f $(($1-1)); fi; echo $x; }; f 2
f() { local p=$1; p=${p%x}; echo $p; }; f axx
f() { local x; unset x; echo "${x-un}"; }; x=keep; f; echo $x
