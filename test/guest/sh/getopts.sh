p() { OPTIND=1; while getopts ab:c o "$@"; do case $o in a) echo a;; b) echo "b=$OPTARG";; c) echo c;; '?') echo bad;; esac; done; shift $((OPTIND-1)); echo "rest: $*"; }
p -a -b val x y; p -ac -bval z; p -a -- -b; p; p x -a; p -abc
p -z 2>/dev/null; p -b 2>/dev/null
q() { OPTIND=1; while getopts :xy: o "$@"; do echo "$o ${OPTARG:-none}"; done; }
q -x -q
OPTIND=1; set -- -m n; while getopts m: o; do echo $o $OPTARG $OPTIND; done; echo $OPTIND
