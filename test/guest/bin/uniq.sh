# uniq: repeated lines
printf 'a\na\nb\nc\nc\nc\n' | uniq
printf 'a\na\nb\n' | uniq -c | tr -s ' '
printf 'a\na\nb\n' | uniq -d; printf 'a\na\nb\n' | uniq -u
printf 'x 1\ny 1\nz 2\n' | uniq -f 1; printf 'xa\nya\n' | uniq -s 1; printf 'A\na\n' | uniq -i
