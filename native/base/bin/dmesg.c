/*
 * dmesg [-ac]: the kernel's message buffer (sysctl kern.msgbuf; -c clears it). Counterpart: sbin/dmesg.
 */
#include "util.h"

#include <sys/sysctl.h>

int
dmesg_main(int argc, char **argv)
{
	bool clear = false, start = true;
	size_t len = 0, got;
	char *buf;
	int ch, one = 1;

	while ((ch = getopt(argc, argv, "ac")) != -1) {
		if (ch == 'c')
			clear = true;
		else if (ch == '?')
			usage(1, "dmesg [-ac]");
	}
	if (optind != argc)
		usage(1, "dmesg [-ac]");
	if (sysctlbyname("kern.msgbuf", NULL, &len, NULL, 0) != 0)
		err(1, "sysctl kern.msgbuf");
	/* The buffer may grow between the two calls. */
	len += 4096;
	buf = xmalloc(len);
	got = len;
	if (sysctlbyname("kern.msgbuf", buf, &got, NULL, 0) != 0)
		err(1, "sysctl kern.msgbuf");
	for (size_t i = 0; i < got; i++) {
		unsigned char c = (unsigned char)buf[i];

		/* NULs fill what was never written. */
		if (c == '\0')
			continue;
		putchar(c);
		start = c == '\n';
	}
	if (!start)
		putchar('\n');
	if (clear && sysctlbyname("kern.msgbuf_clear", NULL, NULL, &one, sizeof(one)) != 0)
		err(1, "sysctl kern.msgbuf_clear");
	return finish(0);
}
