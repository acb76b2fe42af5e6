printf '%s\n' a b c; printf '%s %s\n' a b c; printf '%d\n' 42 -7 0x1f 010
printf '[%5s][%-5s][%05d][%.2s][%5.1s]\n' ab ab 42 abc xyz
printf '%x %X %o %c %%\n' 255 255 8 hello
printf 'a\tb\n\101\\\n'; printf '%b\n' 'x\ty\n\0101'; printf '%b' 'a\cb'; echo
printf '%s'; echo; printf 'no newline'; echo; printf '%s\n'
printf '%d %s\n' 1; printf '%*d|%-*d|\n' 5 42 5 42; printf '%.*s\n' 2 abc
printf '%d\n' "'A"; printf '%+d % d %i\n' 5 5 5; printf '%u\n' 3
printf '%d\n' abc 2>/dev/null; echo $?
printf '%s %s %s\n' 1 2 3 4; printf "%5.2f|%e|%g\n" 3.14159 1000 0.5
printf '%%|%5c|\n' x; printf '%s\n' -- -n; printf -- '%s\n' x
echo a  b   c; echo "a  b"; echo; echo -n x; echo; echo '' ''
