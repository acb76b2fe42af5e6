# echo: blanks, -n (as a program, not the shell's)
env echo a  b 'c  d'
env echo -n x; echo
env echo; env echo --
