f=/usr/local/lib/libc.so.6
echo ${f#*/} ${f##*/} ${f%/*} ${f%%/*} ${f%.*} ${f%%.*}
echo "${f##*/}" "${f%"/${f##*/}"}"
x=aXbXc; echo ${x#*X} ${x##*X} ${x%X*} ${x%%X*}
p='*'; y='a*b'; echo "${y#a"$p"}" "${y#a'*'}" "${y%$p}"
e=; echo "[${e#x}]" "[${e%%*}]"
z='a]b'; echo ${z#a]} "${z%[]]b}"
q="it's"; echo ${q%\'s}
s='  lead'; echo "${s#"${s%%[! ]*}"}"
t='trail   '; echo "[${t%"${t##*[! ]}"}]"
n=123abc; echo ${n##*[0-9]} ${n%%[!0-9]*} ${n#[[:digit:]]}
b='a\b'; echo "${b#a\\}" "${b%\\b}"
