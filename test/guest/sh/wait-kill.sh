sleep 10 & p=$!; kill $p; wait $p 2>/dev/null; echo $?
sleep 10 & p=$!; kill -9 $p; wait $p 2>/dev/null; echo $?
kill -l 15; kill -l 143 
sh -c 'kill -KILL $$' 2>/dev/null; echo $?
kill -0 $$ && echo alive
sh -c 'trap "echo usr1; exit 0" USR1; sleep 5 & kill -USR1 $$; wait; echo no' 
