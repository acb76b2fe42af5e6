echo if then else fi for do done while case esac { } ! in
for for in for; do echo $for; done
case case in case) echo case;; esac
if=1; echo $if
echo { }; echo !
in=x; echo $in
function_like=1; echo $function_like
