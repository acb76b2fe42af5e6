# cut: fields, bytes, characters
printf 'a:b:c:d\nnone\n1::3\n' | cut -d: -f2,4-
printf 'a:b:c\nnone\n' | cut -d: -f1 -s
printf 'abcdef\nxy\n' | cut -c2-3,5
printf 'abcdef\n' | cut -b-2,6-
printf 'a\tb\tc\n' | cut -f3
printf 'a\n' | cut 2>/dev/null; echo $?
