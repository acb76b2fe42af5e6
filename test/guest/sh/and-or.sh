true && false || echo fallback
false && true || echo fb2
true || echo no && echo yes
false ||
true &&

echo continued
f() { return $1; }
f 0 && f 1; echo $?
f 3 || f 4; echo $?
if f 0 && ! f 1; then echo cond; fi
