# sort: orders, keys, unique, check
printf '10\n9\n2\n-1\n1.5\n' | sort -n
printf 'b\na\nB\nA\n' | sort; printf 'b\na\nc\n' | sort -r
printf 'x 3\ny 1\nz 2\n' | sort -k2n
printf 'x:3:b\ny:3:a\nz:1:c\n' | sort -t: -k2,2n -k3,3
printf 'a\nb\na\nB\n' | sort -u; printf 'a\nA\nb\n' | sort -fu
printf '2K\n1M\n3\n' | sort -h
printf 'Mar\nJan\nFeb\n' | sort -M
printf 'b 1\na 1\nc 0\n' | sort -s -k2,2
printf 'a\nc\nb\n' | sort -c 2>/dev/null; echo $?; printf 'a\nb\n' | sort -c; echo $?
printf ' b\na\n' | sort -b
