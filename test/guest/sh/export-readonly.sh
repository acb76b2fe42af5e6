export A=1 B; B=2; sh -c 'echo $A $B'
export C='sp ace'; sh -c 'echo "$C"'; unset C; sh -c 'echo "[$C]"'
readonly R='x y'; readonly -p | grep -c '^readonly R'; export -p | grep -c ' B='
x='a b'; export Q=$x; echo "$Q"
f() { X=1 sh -c 'echo $X'; echo "[$X]"; }; f
P=~/x; export H=~/y; [ "$P" != '~/x' ] && [ "$H" != '~/y' ] && echo tilde
(readonly Z=1; Z=2; echo no) 2>/dev/null || echo fails
