cd /; pwd; cd /usr/bin; cd ..; pwd; cd - ; cd -; echo $PWD $OLDPWD
cd /usr/./bin/../lib; pwd; cd //usr; cd /; pwd -P
HOME=/usr; cd; pwd; (cd /nosuch 2>/dev/null) || echo fail
d=${TMPDIR:-/tmp}/shcd.$$; mkdir -p $d/real/sub; ln -s real $d/link
cd $d/link; pwd | sed "s|$d|D|"; cd ..; pwd | sed "s|$d|D|"; cd -P link; pwd | sed "s|.*/shcd.$$|D|"
CDPATH=$d/real; cd /; cd sub | sed "s|$d|D|"; unset CDPATH
cd /; rm -r $d
