umask 022; umask; (umask 077; umask); umask
umask -S; umask u=rwx,g=rx,o=; umask; umask g+w,o+r; umask; umask -S; umask 0; umask
ulimit -n >/dev/null && echo n; (ulimit -n 50; ulimit -n); ulimit -c 0; ulimit -c
