# expr: arithmetic, comparison, matching, exit codes
e() { expr "$@" 2>/dev/null; echo $?; }
e 1 + 2 \* 3; e \( 1 + 2 \) \* 3; e 7 / 2; e -7 % 3; e 5 - 5; e a = a; e a \< b; e 10 \< 9; e abc : 'a\(.*\)'; e abc : 'b'; e abcd : 'ab.'
e '' \| x; e 0 \& 1; e 1 / 0; e; e 1 +; e 9223372036854775807 + 1
