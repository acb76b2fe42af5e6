printf '%s\n' 'single $x `y` "z" \n'
x=val; echo "double $x \$x \"q\" \\ "
echo back\ slash\$x \'q\' \"d\"
echo a'b'"c"\d
printf '[%s]' '' "" a"" ''b; echo
echo "multi
line"
echo cont\
inued "in\
quotes" 'in\
single'
printf '%s\n' "a'b" 'a"b' "\`" "\z"
