# tr: translate, delete, squeeze, classes, complement
echo hello | tr a-y b-z
echo HeLLo | tr '[:upper:]' '[:lower:]'
echo a1b22 | tr -d '[:digit:]'
echo aabbccc | tr -s ac
echo 'a b  c' | tr -s ' ' '\n'
echo abc123 | tr -cd '0-9\n'
echo hello | tr elo '[x*]'
printf 'a\\b\n' | tr '\\' /
printf 'x\0y\n' | tr '\000' z
tr 2>/dev/null; echo $?
