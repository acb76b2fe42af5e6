if true; then echo 1; fi
if false; then echo no; else echo 2; fi
if false; then echo no; elif true; then echo 3; else echo no; fi
if false; then :; elif false; then :; else echo 4; fi
if false; then echo; fi; echo $?
if true
then
	echo 5
fi
if (exit 1) then echo no; else echo 6; fi
if { false; true; } then echo 7; fi
if ! false; then echo 8; fi
if true; then false; fi; echo $?
if echo cond; [ 1 = 1 ]; then if false; then :; else echo nested; fi; fi
if if true; then false; fi; then echo no; else echo 9; fi
