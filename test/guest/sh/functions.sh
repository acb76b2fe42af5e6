f() { echo "f:$1:$#"; }; f a b; f
g() { return 3; }; g; echo $?
h() ( x=sub; echo $x ); x=top; h; echo $x
r() { [ $1 -le 0 ] && { echo done; return; }; echo $1; r $(($1-1)); }; r 3
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(($1 * $(fact $(($1-1))))); fi; }; fact 6
k() { set -- x y; echo $1 $#; }; set -- a b c; k q; echo $1 $#
l() { local v=in; echo $v; m; }; m() { echo "dyn $v"; v=changed; }; v=out; l; echo $v
n() { local a b=2; a=1; echo $a$b; }; a=A b=B; n; echo $a$b
f() { echo new; }; f; unset -f f; f 2>/dev/null || echo gone
o() { for i in 1 2 3; do [ $i = 2 ] && return 9; echo $i; done; }; o; echo $?
p() {
	echo body
} >&2
p 2>&1
q() if true; then echo if-body; fi; q
s() { t() { echo inner; }; }; s; t
u() { echo $X; }; X=pre u; echo "[$X]"
echo() { command echo "wrapped $*"; }; echo hi; unset -f echo; echo hi
w() { f2() { echo one; }; f2; f2() { echo two; }; f2; }; w
z() { return; }; false; z; echo $?
