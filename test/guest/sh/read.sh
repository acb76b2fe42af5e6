printf 'a b c\n' | { read x y; echo "[$x][$y]"; }
printf '  lead trail  \n' | { read x; printf "[%s]\n" "$x"; }
printf 'one\n' | { read x y; echo "[$x][$y]"; }
printf 'a\\b\\\nc\n' | { read x; printf "[%s]\n" "$x"; }
printf 'a\\b\n' | { read -r x; printf "[%s]\n" "$x"; }
printf 'a:b:c\n' | { IFS=: read x y; echo "[$x][$y]"; }
printf 'a:b:\n' | { IFS=: read x y; echo "[$x][$y]"; }
printf 'a::c\n' | { IFS=: read x y z; echo "[$x][$y][$z]"; }
printf ' a \n' | { IFS= read x; printf "[%s]\n" "$x"; }
printf 'nonl' | { read x; echo "$? [$x]"; }
read x </dev/null; echo $?
printf 'l1\nl2\n' | { read a; read b; echo $a $b; }
printf '1\n2\n3\n' | while read n; do echo $((n*2)); done
printf 'x\\ y z\n' | { read a b; echo "[$a][$b]"; }
printf 'in\n' | { read v; cat; }
printf 'first\nsecond\n' | { read v; cat; }
