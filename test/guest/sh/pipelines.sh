echo hello | cat
printf '%s\n' c a b | sort | cat
echo x | { read v; echo "got $v"; }
true | false; echo $?
false | true; echo $?
! false | false; echo $?
printf 'a\nb\n' | while read l; do echo "<$l>"; done
echo start |
cat |

cat
{ echo out; echo err >&2; } 2>&1 | sort
i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done | wc -l | tr -d ' '
echo a | (cat; echo b) | cat | cat | cat
