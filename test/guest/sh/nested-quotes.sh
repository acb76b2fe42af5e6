x="a b"; echo "${x:+"$x"}" ${x:+"$x"} "${x:+'$x'}" ${x:+'$x'}
echo "$(echo "$(echo "$x")")" "`echo "$x"`"
echo "${y:-"a  b"}" ${y:-"a  b"} ${y:-a  b}
echo "a${y:-"b'c"}d" "${y:-it's}"
f() { echo $#; }; f "${x}"'c d'$x; f ${y:-'a b' c}; f "${y:-'a b' c}"
echo "\"$x\"" \""$x"\" '"'$x'"'
echo "$x"$'' 2>/dev/null | sed 's/\$$//'
echo "${x#"a "}" "${x%' b'}" "${x#'a '}"
