set -- one "two words" three
echo $# "$1" "$2" "$3" "[$4]"
for i in "$@"; do echo "<$i>"; done
for i in $@; do echo "<$i>"; done
for i in "$*"; do echo "<$i>"; done
for i in $*; do echo "<$i>"; done
for i in "pre$@post"; do echo "<$i>"; done
IFS=:; echo "$*"; IFS=; echo "$*"; unset IFS; echo "$*"
set --; for i in "$@"; do echo none; done; echo $#
for i in "$*"; do echo "star<$i>"; done
set -- "" x ""; for i in "$@"; do echo "<$i>"; done; for i in $@; do echo "{$i}"; done
x=$@; echo "[$x]"
[ $$ -gt 1 ] && echo pid
(exit 7); echo $?
false; echo $? $?
set -- 1 2 3 4 5 6 7 8 9 10 11 12; echo $10 ${10} ${12} $#
shift; echo $1 $#; shift 3; echo $1 $#
echo "${*}" ${@}
