set a b c; echo $1 $#; set -- -x; echo $1; shift; echo $#
set -- 1 2 3; shift 0; echo $#; shift 3; echo $#
set -- "a b" c; set -- "$@" d; echo $# "$1"; set -- x "$@"; echo $# "$2"
set -- a b c; for i in "$@"; do set -- "$@" "$i$i"; done; echo "$@"
while [ $# -gt 0 ]; do printf '%s.' "$1"; shift; done; echo
