# true false sleep yes env basename-less small tools, tee, touch, truncate, du, which, date, kill, id, time, stat
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
true; echo $?; false; echo $?; env sleep 0.01; echo $?; env sleep x 2>/dev/null; echo $?
yes | head -2; yes no | head -1; env -i A=1 env; env -u A sh -c 'echo ${A-unset}'; env nosuchprog 2>/dev/null; echo $?
echo t | tee a b; cat a b; echo u | tee -a a >/dev/null; cat a
truncate -s 10 tr; wc -c < tr | tr -d ' '; truncate -s +5 tr; wc -c < tr | tr -d ' '
which nosuchprog; echo $?; which sh | sed 's,.*/,,'
date -u -r 0 +%Y-%m-%dT%H:%M:%S; date -u -r 86400 '+%a %j'; date -u -j -f %Y-%m-%d\ %H:%M:%S '2001-09-09 01:46:40' +%s
env kill -l 15; env kill -l 137; env kill -0 $$; echo $?; env kill -s NOSUCH 1 2>/dev/null; echo $?
[ "$(id -u)" = "$(id -ur)" ]; echo $?; [ "$(whoami)" = "$(id -un)" ]; echo $?
env time -p true 2>&1 | cut -d' ' -f1; env time sh -c 'exit 3' 2>/dev/null; echo $?
printf 1234 > s; stat -f '%z %Sp %l %N' s; stat nosuch 2>/dev/null; echo $?; [ -p /dev/null ]; mkfifo p; [ -p p ]; echo $?
mkdir du; : > du/x; du -a du | wc -l | tr -d ' '; pwd -P | sed 's,.*/t\..*,ok,'; uname -m >/dev/null; echo $?; sync; echo $?
