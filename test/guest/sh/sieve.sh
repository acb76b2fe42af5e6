n=60; i=2; primes=
while [ $i -le $n ]; do
	p=1
	for j in $primes; do
		[ $((j*j)) -gt $i ] && break
		if [ $((i%j)) -eq 0 ]; then p=0; break; fi
	done
	[ $p = 1 ] && primes="$primes $i"
	i=$((i+1))
done
echo $primes
hanoi() { [ $1 -eq 0 ] && return; hanoi $(($1-1)) $2 $4 $3; echo "$2->$3"; hanoi $(($1-1)) $4 $3 $2; }
hanoi 3 A B C
rev() { s=$1 r=; while [ -n "$s" ]; do r=${s%"${s#?}"}$r; s=${s#?}; done; echo $r; }; rev abcdef
