# test and [ as programs
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
t() { env test "$@"; echo $?; }
t; t a; t ''; t -n a; t -z a; t a = a; t a != a; t 1 -lt 2; t 2 -le 1; t 3 -eq 03; t ! a; t ! ''; t a -a b; t '' -o b
t \( a = a \); t \( a = b -o c = c \) -a d; t ! \( a \); t = = =; t ! = !; t -n = x; t -f; t 1 -eq x 2>/dev/null; t a b 2>/dev/null
touch f; mkdir d; ln -s f l; ln -s nosuch k; echo x > s
t -f f; t -d d; t -e nosuch; t -L l; t -e k; t -h k; t -s s; t -s f; t -r f; t -x f; t -x d; t f -ef l; t -p f; t -c /dev/null
env [ a ]; echo $?; env [ a 2>/dev/null; echo $?
