# find: primaries and operators
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
mkdir -p d/a/b; echo hi > d/a/f; : > d/e; ln -s e d/l; : > d/a/b/x.c; chmod 600 d/e; ln d/a/f d/h
s() { "$@" | sort; echo --; }
s find d; s find d -name '*.c'; s find d -type f; s find d -type d; s find d -type l; s find d -maxdepth 1; s find d -mindepth 2
s find d ! -type d -empty; s find d -perm 600; s find d -perm -400 -name e; s find d \( -name e -o -name l \) -print
s find d -name a -prune -o -print; s find d -size +0c -type f; s find d -links 2 -type f; s find d -iname 'X.C'
s find d -name e -exec echo got {} \;; s find d -type f -exec echo {} + | tr ' ' '\n' | sort; find d/a -depth | tail -1
s find d -newer d/e -name nosuch; find d -name x.c -print0 | tr '\0' '\n'; s find d -path '*b*'; find d -name 'x*' -delete; s find d -name '*.c'
find d -bogus 2>/dev/null; echo $?; find nosuch 2>/dev/null; echo $?; find d -type f -mtime +1; find d -name e -user "$(id -un)"
