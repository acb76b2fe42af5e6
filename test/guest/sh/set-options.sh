set -e; (false; echo no) || true; set +e
(set -e; false || true; echo 1; if false; then :; fi; echo 2; ! true; echo 3; false && true; echo 4; (exit 0); false; echo no); echo $?
(set -e; f() { false; echo no; }; f; echo no2); echo $?
(set -e; f() { false; echo reached; }; f || true; if f; then :; fi)
(set -u; echo ${x-ok}; echo $undefined_zz) 2>/dev/null || echo fails
(set -u; set --; echo "$@" $# "$*" ok)
set -x; set +x 2>/dev/null
(set -f; echo *); (set -o noglob; echo *)
set -- -a b; echo $1; set -- ; echo $#
(set -a; AE=1; sh -c 'echo $AE')
(set -e; x=$(false); echo no); echo $?
(set -e; while false; do :; done; until true; do :; done; echo loop)
(set -e; { false; } || :; echo ok; false | true; echo pipe; true | false; echo no); echo $?
set -o errexit; set +o errexit; echo $-| sed 's/[^e]//g'
(set -n; echo no); 
(set -e; eval false; echo no); echo $?
(set -e; case x in x) false;; esac; echo no); echo $?
