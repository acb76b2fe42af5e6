# xargs: splitting, batches, replacement, exit codes
printf '1 2\n3\n' | xargs; printf '1 2 3 4 5\n' | xargs -n 2 echo x
printf "'a b' c\\\\ d \"e\"\n" | xargs -n 1; printf 'a\0b c\0' | xargs -0 -n 1
printf 'a b\nc\n' | xargs -I % echo '<%>'; printf '1\n2\n3\n' | xargs -L 2
printf '' | xargs -r echo none; printf 'a\n' | xargs nosuchprog 2>/dev/null; echo $?
printf 'a b END c' | xargs -E END; printf '1 2 3' | xargs -P 3 -n 1 | sort
