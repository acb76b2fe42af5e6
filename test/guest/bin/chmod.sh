# chmod: octal and symbolic modes, recursion, errors
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
touch f; mkdir d; touch d/g; umask 022
m() { ls -ld "$1" | cut -c1-10; }
chmod 640 f; m f
chmod u+x,g=u,o=r f; m f
chmod a-x f; m f
chmod -w f; m f
chmod +w f; m f
chmod 4755 f; m f
chmod g+s,o-x f; m f
chmod a=rX f; m f; chmod a=,u=rw f; m f
chmod -R a=rX d; m d; m d/g
chmod 999 f 2>/dev/null; echo $?
chmod 644 nosuch 2>/dev/null; echo $?
