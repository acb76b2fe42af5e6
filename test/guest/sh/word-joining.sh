a=1; b=2; echo $a$b "$a"$b $a"$b" ${a}b a${b} $a.$b $a-$b
echo pre$(echo mid)post pre`echo mid`post pre$((1+1))post
x="p q"; set -- $x"r s"$x; echo $#; for w; do echo "<$w>"; done
set -- "$x"$x; echo $#; set -- ''$x''; echo $#; set -- $e$e ''; echo $#
echo "$a$b"'$a$b'\$a
