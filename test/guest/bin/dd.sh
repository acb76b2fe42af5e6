# dd: blocks, skip, seek, conversions, holes
T=${TMPDIR:-/tmp}/t.$$; mkdir "$T" && cd "$T" || exit 1; trap 'cd /; rm -rf "$T"' EXIT
printf 'abcdefghij' > f
dd if=f bs=3 count=2 2>/dev/null; echo; dd if=f bs=2 skip=3 2>/dev/null; echo; dd if=f ibs=3 obs=4 2>/dev/null; echo
dd if=f conv=ucase status=none; echo; dd if=f conv=swab status=none; echo; printf 'ab\nc\n' | dd conv=block cbs=4 status=none; echo '|'
printf 'ab  c   ' | dd conv=unblock cbs=4 status=none; cp f g; printf XY | dd of=g bs=1 seek=2 conv=notrunc status=none; cat g; echo
dd if=/dev/zero of=z bs=1k count=4 conv=sparse status=none; wc -c < z | tr -d ' '; dd if=f of=/dev/null bs=4 2>&1 | head -2
printf abc | dd bs=4 conv=sync status=none | wc -c | tr -d ' '; dd if=nosuch 2>/dev/null; echo $?; dd bogus=1 2>/dev/null; echo $?
