t() { case $1 in a) echo A;; b|c) echo BC;; [0-9]) echo digit;; [!a-z]*) echo notlower;; *.txt) echo txt;; "*") echo star;; '?') echo q;; a*b) echo a..b;; ?) echo one;; '') echo empty;; *) echo other;; esac; }
for i in a b c 5 XYZ f.txt '*' '?' aXXb z '' hello; do t "$i"; done
case x in (x) echo paren;; esac
case x in y) echo no; esac; echo $?
case "a b" in "a b") echo sp;; esac
x='a*'; case 'abc' in $x) echo pat;; esac; case 'abc' in "$x") echo no;; *) echo lit;; esac
case abc in a\bc) echo esc;; esac
case a in
a)
	echo multi
	echo lines
	;;
esac
case $(echo sub) in s*) echo cs;; esac
case x in x) ;; esac; echo $?
case / in [/]) echo slash;; esac
case ']' in []]) echo br;; esac
case - in [a-]) echo dash;; esac
case '\' in '\') echo bs;; esac
case if in if) echo kw;; esac
