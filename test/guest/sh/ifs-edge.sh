IFS=', '; x='a, b,c ,d'; set -- $x; echo $#; printf '<%s>' "$@"; echo
IFS=; x=' a b '; set -- $x; echo $#; printf '<%s>' "$@"; echo
IFS='
'; x='one two
three'; set -- $x; echo $#; printf '<%s>' "$@"; echo
unset IFS; set -- a b; echo "$*"; IFS=+; echo "$*" $*; IFS=; echo "$*"
IFS=:; p=/bin:/usr/bin::; for d in $p; do echo "[$d]"; done
IFS=0; echo $((100+1)) ; x=$((100+1)); echo $x "$x"
IFS=' '; x='\* a'; set -f; set -- $x; echo "$1" $#
