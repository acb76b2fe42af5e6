echo $(echo a) "$(echo b)" `echo c`
x=$(echo "two  spaces"); echo $x "$x"
echo $(echo $(echo $(echo deep)))
echo `echo \`echo nested\``
echo "$(echo "inner "quoted" $(echo "more")")"
echo "[$(printf 'trail\n\n\n')]"
$(echo echo cmd) arg
x=$(false); echo $?; x=$(exit 5); echo $?
y=$(x=inner; echo $x); echo $y
echo $(case x in x) echo case;; esac)
echo $(case x in (x) echo case2;; esac)
echo $( (echo sub) ) $( { echo grp; } )
echo $(
# comment with ' quote
echo after comment
)
echo "$(echo ')')" $(echo ")")
for i in $(echo 1 2 3); do printf "%s," $i; done; echo
echo $(<$0 sed -n 1p)
echo "$(echo a; echo b)"
echo $()x `` y
z=`echo \$HOME`; [ "$z" = "$HOME" ] && echo same
echo "`echo "q"`" `echo '\\'`
: $(exit 3); echo $?
