t() { if [ "$@" ]; then echo y; else echo n; fi; }
t a; t ''; t -n a; t -z ''; t ! a; t a = a; t a != a; t a = b
t 1 -eq 1; t 1 -ne 1; t 1 -lt 2; t 2 -le 2; t 3 -gt 2; t 1 -ge 2; t -5 -lt 3
t -d /; t -f /; t -e /nosuch; t -e /dev/null; t -c /dev/null; t -r /; t -s /dev/null
t ! -d /; t a -a b; t a -a ''; t '' -o b; t '(' a ')'; t ! a = b
t = = =; t '!' = '!'; t -n; t ! '' 
t ' 3 ' -eq 3; t -n '(' ; t a = a -a b = b; t a = b -o b = b; t '(' a = b ')' -o c
[ a = a; echo $?
test; echo $?; test 1 -eq x 2>/dev/null; echo $?
[ 1 -eq 1 ] && [ "x" ] && echo both
x=; [ -n "$x" ] || echo empty; [ -z $x ] && echo z
t -t 9; t abc '<' abd
