# sed: every command
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
i=1; while [ $i -le 6 ]; do echo $i; i=$((i+1)); done > n
sed 2d n; sed -n '2,4p' n; sed '/2/,/4/d' n; sed '$d' n; sed '2q' n; sed -n '$=' n; sed '5,2d' n; sed '2!d' n; sed '4,+1d' n
sed 's/[135]/<&>/' n; echo aaa | sed 's/a/b/2'; echo aaa | sed 's/a/b/2g'; echo abc | sed 's/x*/-/g'
echo 'a b' | sed 's/\(.\) \(.\)/\2 \1/'; echo abab | sed -E 's/(ab)+/X/'; echo /a/b | sed 's,/,|,g'
echo abc | sed 'y/abc/xyz/'; sed '1!G;h;$!d' n; sed -n '1!G;h;$p' n | head -1; sed '$!N;s/\n/-/' n; sed '$!N;P;D' n | tail -1
sed ':a
$!{N;ba
}
s/\n/,/g' n
sed '2a\
after
2i\
before
3c\
changed' n
sed -n 'l' <<X
a	b\c
X
sed -e '/3/{s//three/;p;}' -e '1d' n; sed -n '2{p;q;}' n; sed 'n;d' n; sed '/1/x;$G' n; sed = n | sed 'N;s/\n/ /' | head -2
echo file > r; sed '1r r' n | head -2; sed -n '2w out' n; cat out; echo 'aXb' | sed 's/x/-/I'; echo 'a.b' | sed 's/[.]/\
/'
cp n i; sed -i.bak 's/1/one/' i; head -1 i i.bak; sed 'k' n 2>/dev/null; echo $?; sed p nosuch 2>/dev/null; echo $?
