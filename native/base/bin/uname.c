/*
 * uname [-aimnoprsv]: names of the system, from uname(3), with UNAME_x of the environment first. Counterpart: usr.bin/uname.
 */
#include "util.h"

#include <sys/utsname.h>

static struct utsname u;
static bool any;

static void
show(const char *flag, const char *value)
{
	char var[8];
	const char *env;

	snprintf(var, sizeof(var), "UNAME_%s", flag);
	env = getenv(var);
	printf("%s%s", any ? " " : "", env != NULL ? env : value);
	any = true;
}

int
uname_main(int argc, char **argv)
{
	bool m = false, n = false, p = false, r = false, s = false, v = false, i = false;
	int ch;

	while ((ch = getopt(argc, argv, "aimnoprsv")) != -1) {
		switch (ch) {
		case 'a': m = n = r = s = v = true; break;
		case 'i': i = true; break;
		case 'm': m = true; break;
		case 'n': n = true; break;
		case 'o':
		case 's': s = true; break;
		case 'p': p = true; break;
		case 'r': r = true; break;
		case 'v': v = true; break;
		default: usage(1, "uname [-aimnoprsv]");
		}
	}
	if (optind != argc)
		usage(1, "uname [-aimnoprsv]");
	if (uname(&u) != 0)
		err(1, "uname");
	/* kern.version has several lines; this is one. */
	for (char *c = u.version; *c != '\0'; c++)
		if (*c == '\n' || *c == '\t')
			*c = c[1] == '\0' ? '\0' : ' ';
	if (s || !(i || m || n || p || r || v))
		show("s", u.sysname);
	if (n)
		show("n", u.nodename);
	if (r)
		show("r", u.release);
	if (v)
		show("v", u.version);
	if (m)
		show("m", u.machine);
	if (p)
		show("p", u.machine);
	if (i)
		show("i", u.version);
	putchar('\n');
	return finish(0);
}
