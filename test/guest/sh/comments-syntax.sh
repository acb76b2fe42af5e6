echo a # comment
# full line
echo b;# after semi
echo c#notcomment
{ echo d; } # e
if true # comment
then # comment
echo f # comment
fi # comment
echo 'multi
line # not comment' g
case x in # comment
# another
x) # yet
echo h ;; # end
esac
for i in 1 2 # list
do echo $i; done
echo \
i \
j
(echo k
)
{
echo l
}
echo m &&
# comment between
echo n
f() # comment
{ echo o; }
f;
