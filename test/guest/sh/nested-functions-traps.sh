f() { for i in 1 2; do g $i || return $?; done; }; g() { [ $1 = 1 ] && return 0; return 7; }; f; echo $?
f() { while :; do return 3; done; echo no; }; f; echo $?
f() { case x in x) return 4;; esac; }; f; echo $?
f() { { return 5; }; }; f; echo $?
f() { (return 6); echo "sub $?"; }; f
f() { eval 'return 8'; echo no; }; f; echo $?
f() { if return 9; then :; fi; }; f; echo $?
f() { true && return 2 || echo no; }; f; echo $?
f() { echo x | return 5; echo p$?; }; f
