sh -e -c 'false; echo no'; echo $?
sh -ec 'false; echo no'; echo $?
sh -u -c 'echo $nope' 2>/dev/null || echo fails
sh -o errexit -c 'false; echo no'; echo $?
sh -c 'echo "$@"' x 1 '2 3'
sh -n -c 'echo no'; echo $?
sh +e -c 'false; echo yes'
sh -x -c 'echo t' 2>&1
sh -v -c 'echo v' 2>&1 | tail -1
sh -- -c 2>/dev/null; echo $((! !$?))
sh -c '(' 2>/dev/null || echo fails
sh -c 'if' 2>/dev/null || echo fails
sh -c 'echo "unterminated' 2>/dev/null || echo fails
sh -c 'echo a; ) ; echo b' 2>/dev/null || echo fails
