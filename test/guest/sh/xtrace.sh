exec 2>&1
PS4="# "; set -x
echo a b
x=1
x=2 true

echo hi >/dev/null
f() { echo in; }
f q
set +x
echo off
