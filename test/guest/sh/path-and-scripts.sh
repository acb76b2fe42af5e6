d=${TMPDIR:-/tmp}/shps.$$; mkdir $d
printf 'echo noshebang $1 $#\n' > $d/s1; chmod +x $d/s1; $d/s1 x y
printf '#!/bin/sh\necho "shebang $*"\n' > $d/s2; chmod +x $d/s2; $d/s2 p q
(PATH=$d:$PATH; s2 via path; s1 v)
cd $d; ./s2 dot; PATH=.:$PATH; s2 cur; cd /
PATH=$d s2 prefix 2>/dev/null || echo n
chmod -x $d/s1; $d/s1 2>/dev/null; echo $?
mkdir $d/dir; $d/dir 2>/dev/null; echo $?
rm -r $d
