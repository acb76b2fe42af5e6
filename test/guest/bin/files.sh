# mkdir rmdir cp mv rm ln touch ls
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
mkdir a && mkdir -p a/b/c && mkdir a 2>/dev/null; echo $?
echo hi > a/f; ln -s f a/l; ln a/f a/h
cp a/f g; cat g
cp -R a z; ls z z/b
cp -a a y; cat y/h; rm y/f; cat y/h
cp a a2 2>/dev/null; echo $?
mv g k; ls; mv k a/b; ls a/b
mv nosuch x 2>/dev/null; echo $?
rm a 2>/dev/null; echo $?
rm -r a; ls; rm nosuch 2>/dev/null; echo $?; rm -f nosuch; echo $?
rmdir z 2>/dev/null; echo $?
rmdir -p p/q 2>/dev/null; mkdir -p p/q; rmdir -p p/q; ls
touch -t 202001020304.05 t; ls -l t | sed 's/.*Jan/Jan/'
touch -c none; ls none 2>/dev/null; echo $?
ln -s dangling dl; ls -F dl; readlink dl
touch .hid; ls -A | head -1; ls -a | head -3; rm .hid
printf 12345 > s5; printf 123 > s3; ls -S s3 s5; ls -rS s3 s5; ls -1p
