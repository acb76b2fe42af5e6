d=${TMPDIR:-/tmp}/shwr.$$
printf 'name=alice age=30\nname=bob age=25\n' > $d
while read a b; do echo "${a#name=} is ${b#age=}"; done < $d
n=0; while read line; do n=$((n+1)); done < $d; echo $n
while IFS== read k v; do echo "k=$k v=$v"; done < $d
sed 's/=/ /g' $d | while read a b c e; do echo $b-$e; done
rm $d
