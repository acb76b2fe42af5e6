f() { echo $#; for a in "$@"; do echo "<$a>"; done; }
set -- "a b" "" c; f "$@"; f $@; f "$*"; f "x$@y"; f "$@$@"; f $*
set --; f "$@"; f "" "$@"; f "$*"; f x"$@"; f ${1+"$@"}
set -- 'one two' three; f ${1+"$@"}; f "${@-none}"; f ${x-"$@"}
IFS=-; f "$*"; f $*; x="$*"; f "$x"
