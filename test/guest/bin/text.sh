# printf basename dirname seq sha256 cmp hexdump realpath
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
p() { env printf "$@"; }
p '%s|%5d|%-5s|%05.1f|%x|%c\n' a 42 b 3.14159 255 z; p '%s\n' a b c; p '%b|' 'a\tb\0101'; p 'x\101\n'; p '%d\n' "'A" 0x10 010
p '%*d|%.*s\n' 5 3 2 abcdef; p '%d\n' abc 2>/dev/null; echo $?
basename /a/b/; basename a/b.c .c; basename .c .c; dirname /a/b/; dirname a; dirname /; dirname a//b
seq 3; seq 2 4; seq 5 -2 1; seq 0.5 0.25 1; seq -w 8 11; seq -s, 3; seq 3 1
printf abc > c1; printf abd > c2; : > e
sha256 -q c1 e; sha256 c1; sha256 -r c1; sha256sum c1; sha256 -s abc; seq 1000 | sha256; sha256 -q nosuch 2>/dev/null; echo $?
cmp c1 c2; echo $?; cmp c1 c1; echo $?; cmp -l c1 c2; cmp -s c1 e; echo $?; cmp c1 nosuch 2>/dev/null; echo $?
hexdump -C c1; dd if=/dev/zero bs=40 count=1 status=none | hexdump -C; printf 'abcde' | hexdump
ln -s c1 l; [ "$(realpath l)" = "$(realpath .)/c1" ]; echo $?; readlink l; nice -n 5 true; echo $?; nohup true > o 2>&1; echo $?
