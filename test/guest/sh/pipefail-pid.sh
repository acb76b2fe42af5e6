a=$$; b=$(echo $$); [ $a = $b ] && echo same
(echo $$) | { read p; [ $p = $$ ] && echo subsame; }
sleep 0 & [ -n "$!" ] && echo bang; wait
