(trap 'echo exit' EXIT; echo body)
(trap 'echo exit $?' 0; exit 3); echo $?
sh -c 'trap "echo int" INT; kill -INT $$; echo on'
sh -c 'trap "echo got TERM" TERM; kill -TERM $$; echo after'
sh -c 'trap "echo usr" USR1; for i in 1 2 3; do [ $i = 2 ] && kill -USR1 $$; echo $i; done'
sh -c 'trap "" TERM; kill -TERM $$; echo survived'
sh -c 'trap "echo x" TERM; trap - TERM; kill -TERM $$; echo no'; echo $?
sh -c 'trap "exit 9" USR1; kill -USR1 $$; echo no'; echo $?
sh -c 'trap "echo bye" EXIT; trap - EXIT'
sh -c 'trap "echo one" EXIT; trap "echo two" EXIT'
sh -c 'f() { trap "echo fromf" EXIT; }; f; echo main'
sh -c 'trap "echo e; exit 4" EXIT; exit 2'; echo $?
sh -c 'trap "echo T" EXIT; false'; echo $?
sh -c 'trap "false" USR1; true; kill -USR1 $$; echo $?'
trap 'echo a' USR1; trap "echo 'q'" USR2; trap - USR1 USR2; trap
