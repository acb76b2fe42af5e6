/*
 * mknod name [b | c] major minor, mknod name p: make special files. Counterpart: sbin/mknod.
 */
#include "util.h"

int
mknod_main(int argc, char **argv)
{
	static const char text[] = "mknod name [b | c] major minor\n       mknod name p";
	long long maj, min;

	if (argc == 3 && strcmp(argv[2], "p") == 0) {
		if (mkfifo(argv[1], 0666) != 0)
			err(1, "%s", argv[1]);
		return 0;
	}
	if (argc != 5 || (strcmp(argv[2], "b") != 0 && strcmp(argv[2], "c") != 0))
		usage(1, text);
	if (!str_num(argv[3], 0, &maj) || maj < 0 || maj > 255)
		errx(1, "%s: non-numeric or bad major number", argv[3]);
	if (!str_num(argv[4], 0, &min) || min < 0 || min > UINT_MAX)
		errx(1, "%s: non-numeric or bad minor number", argv[4]);
	if (mknod(argv[1], (argv[2][0] == 'b' ? S_IFBLK : S_IFCHR) | 0666, makedev((unsigned)maj, (unsigned)min)) != 0)
		err(1, "%s", argv[1]);
	return 0;
}
