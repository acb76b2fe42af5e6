alias hi='echo hello'
hi there
alias e='echo ' x=expanded
e x
alias ls='echo ls'
ls a
unalias hi; hi 2>/dev/null || echo gone
alias loop='loop'; loop 2>/dev/null || echo noloop
alias a=b b='echo chain'
a c
alias if2='if true'
if2; then echo kwalias; fi
alias sq='echo "it'\''s"'
sq
alias nope 2>/dev/null || echo none
alias semi='echo one; echo'
semi two
\hi 2>/dev/null || echo quoted
unalias -a; alias
