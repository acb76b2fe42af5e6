# tar: create, list, extract with links, modes and long names
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
L=nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
mkdir -p in/d; echo hi > in/f; ln in/f in/h; ln -s f in/s; echo long > in/d/$L; chmod 750 in/d
tar cf a.tar in; tar tf a.tar | sort; mkdir o; tar xf a.tar -C o; ls o/in o/in/d; cat o/in/d/$L o/in/h; readlink o/in/s
ls -ld o/in/d | cut -c1-10; rm o/in/f; cat o/in/h; tar -xOf a.tar in/f; tar -c -f - -C in . | tar -tf - | sort | head -2
tar tf a.tar nosuch 2>/dev/null; echo $?; tar czf z.tar in 2>/dev/null; [ -s z.tar ]; echo $?; tar tf in/f 2>/dev/null; echo $?
