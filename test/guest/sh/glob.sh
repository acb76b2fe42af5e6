d=${TMPDIR:-/tmp}/shglob.$$; mkdir $d; cd $d
touch a.c b.c c.h .hid 'sp ace' 'st*r' x1 x2 x10; mkdir sub sub/deep; touch sub/f.c sub/g.c sub/deep/h.c
echo *.c; echo *.z; echo ?.c; echo [ab].c; echo [!a].c; echo [a-c].?
echo "*.c" '*.c' \*.c *".c"
echo .h*; echo s*; echo st\**; echo "st*"r
echo */*.c; echo */*/*.c; echo sub/*; echo */
v='*.c'; echo $v "$v"
for f in *; do printf '%s|' "$f"; done; echo
set -f; echo *.c; set +f; echo *.c
echo x[12] x[!1] x?? x[0-9][0-9] [[:alpha:]].c
case a.c in *.c) echo m;; esac
echo ./a* $d/a.c | sed "s|$d|D|"
echo [ab.c nomatch[ x[
cd /; rm -r $d
