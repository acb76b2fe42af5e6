# root's own.
HOME=/root
export HOME
PS1='# '
