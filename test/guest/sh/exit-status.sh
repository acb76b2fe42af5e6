false; echo $?; true; echo $?
nosuchcmd_x 2>/dev/null; echo $?
/nosuch/path 2>/dev/null; echo $?
/ 2>/dev/null; echo $?
sh -c 'exit 300'; echo $?
sh -c 'exit'; echo $?; sh -c 'false; exit'; echo $?
x=1; echo $?
x=$(exit 2) y=1; echo $?
(exit 255); echo $?
sh -c 'kill -TERM $$'; echo $?
f() { false; }; f; echo $?
echo x > /nosuch/file 2>/dev/null; echo $((! !$?))
