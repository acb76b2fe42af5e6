(exec echo replaced; echo no)
(exec 3>&1; echo three >&3)
exec 5>&1; echo to5 >&5; exec 5>&-
(exec /nosuch 2>/dev/null; echo no); echo $?
sh -c 'exec >/dev/null; echo hidden'; echo shown
(exec 2>&1; echo err >&2)
x=$(exec echo sub); echo $x
