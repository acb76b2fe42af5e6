for p in a ab abc '' 'a b' '*' '[x]' a.c .x A 9 _ -; do
	case $p in
	'') r=empty;; .*) r=dot;; *.*) r=ext;; ?) case $p in [[:lower:]]) r=lower;; [[:upper:]]) r=upper;; [[:digit:]]) r=digit;; [_*]) r=punct;; *) r=one;; esac;;
	\[*\]) r=br;; *\ *) r=space;; a*c) r=ac;; a[!x]) r=a2;; *) r=other;; esac
	echo "$p $r"
done
