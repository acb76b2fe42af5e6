/*
 * sysctl [-deNnoqx] name[=value] ..., sysctl -a | -A: kernel variables through the meta nodes {0,1..5}.
 * Counterpart: sbin/sysctl.
 */
#include "util.h"

#include <sys/sysctl.h>

static bool dflag, eflag, Nflag, nflag, oflag, qflag, xflag;

static int
meta(int op, const int *mib, size_t n, void *out, size_t *len)
{
	int q[CTL_MAXNAME + 2] = { 0, op };

	memcpy(q + 2, mib, n * sizeof(int));
	return sysctl(q, (unsigned)n + 2, out, len, NULL, 0);
}

static bool
mib_name(const int *mib, size_t n, char *buf, size_t size)
{
	size_t len = size - 1;

	if (meta(1, mib, n, buf, &len) != 0)
		return false;
	buf[len] = '\0';
	return true;
}

/* Kind word and format text of a node. */
static bool
mib_format(const int *mib, size_t n, unsigned *kind, char *fmt, size_t size)
{
	char buf[1024];
	size_t len = sizeof(buf) - 1;

	if (meta(4, mib, n, buf, &len) != 0 || len < sizeof(*kind))
		return false;
	buf[len] = '\0';
	memcpy(kind, buf, sizeof(*kind));
	snprintf(fmt, size, "%.*s", (int)size - 1, buf + sizeof(*kind));
	return true;
}

static void
print_struct(const char *fmt, const char *p, size_t len)
{
	char when[64];
	time_t t;

	if (strcmp(fmt, "S,clockinfo") == 0 && len >= 20) {
		int32_t c[5];

		memcpy(c, p, sizeof(c));
		printf("{ hz = %d, tick = %d, tickadj = %d, profhz = %d, stathz = %d }", c[0], c[1], c[2], c[4], c[3]);
	} else if ((strcmp(fmt, "S,timeval") == 0 || strcmp(fmt, "S,timespec") == 0) && len >= 16) {
		int64_t v[2];

		memcpy(v, p, sizeof(v));
		t = (time_t)v[0];
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", localtime(&t));
		printf("{ sec = %lld, %s = %lld } %s", (long long)v[0], fmt[6] == 'v' ? "usec" : "nsec", (long long)v[1], when);
	} else if (strcmp(fmt, "S,loadavg") == 0 && len >= 32) {
		uint64_t l[4];

		memcpy(l, p, sizeof(l));
		printf("{");
		for (int i = 0; i < 3; i++)
			printf(" %.2f", l[3] ? (double)l[i] / (double)l[3] : 0.0);
		printf(" }");
	} else {
		printf("Format:%s Length:%zu Dump:0x", fmt, len);
		for (size_t i = 0; i < len && (i < 16 || xflag); i++)
			printf("%02x", (unsigned char)p[i]);
		if (len > 16 && !xflag)
			printf("...");
	}
}

/* One integer of `width` bytes at p. */
static void
print_int(const char *p, size_t width, bool is_signed)
{
	uint64_t u = 0;
	int64_t s;

	memcpy(&u, p, width);
	s = width == 8 ? (int64_t)u : (int64_t)(u << (64 - 8 * width)) >> (64 - 8 * width);
	if (xflag)
		printf("0x%0*llx", (int)width * 2, (unsigned long long)u);
	else if (is_signed)
		printf("%lld", (long long)s);
	else
		printf("%llu", (unsigned long long)u);
}

static size_t
int_width(unsigned kind, bool *is_signed)
{
	*is_signed = true;
	switch (kind & CTLTYPE) {
	case CTLTYPE_INT:
	case CTLTYPE_S32: return 4;
	case CTLTYPE_LONG:
	case CTLTYPE_S64: return 8;
	case CTLTYPE_S8: return 1;
	case CTLTYPE_S16: return 2;
	}
	*is_signed = false;
	switch (kind & CTLTYPE) {
	case CTLTYPE_UINT:
	case CTLTYPE_U32: return 4;
	case CTLTYPE_ULONG:
	case CTLTYPE_U64: return 8;
	case CTLTYPE_U8: return 1;
	case CTLTYPE_U16: return 2;
	}
	return 0;
}

/* The width and sign a format letter asks for; opaque data may be arrays of these ("LU", "I"). */
static size_t
fmt_width(const char *fmt, bool *is_signed)
{
	*is_signed = strchr(fmt, 'U') == NULL;
	switch (fmt[0]) {
	case 'C': return 1;
	case 'I': return 4;
	case 'L':
	case 'Q': return 8;
	default: return 0;
	}
}

/* Prints the variable; `quiet`: a listing, where what cannot be read or shown is passed over. */
static int
show(const int *mib, size_t n, const char *given, bool quiet)
{
	char name[1024], fmt[128], *val;
	size_t len = 0, width;
	unsigned kind;
	bool sign;

	if (!mib_name(mib, n, name, sizeof(name)))
		snprintf(name, sizeof(name), "%s", given);
	if (Nflag) {
		puts(name);
		return 0;
	}
	if (dflag) {
		len = sizeof(name);
		val = xmalloc(len + 1);
		if (meta(5, mib, n, val, &len) != 0)
			len = 0;
		val[len] = '\0';
		printf(nflag ? "%.0s%s\n" : "%s: %s\n", name, val);
		free(val);
		return 0;
	}
	if (!mib_format(mib, n, &kind, fmt, sizeof(fmt))) {
		if (!quiet)
			warn("%s: no format", name);
		return 1;
	}
	if (sysctl(mib, (unsigned)n, NULL, &len, NULL, 0) != 0) {
		if (!quiet)
			warn("%s", name);
		return !quiet;
	}
	len += len / 4 + 64;
	val = xmalloc(len + 1);
	if (sysctl(mib, (unsigned)n, val, &len, NULL, 0) != 0) {
		if (!quiet)
			warn("%s", name);
		free(val);
		return !quiet;
	}
	val[len] = '\0';
	width = int_width(kind, &sign);
	if ((kind & CTLTYPE) == CTLTYPE_OPAQUE)
		width = fmt_width(fmt, &sign);
	if (quiet && width == 0 && (kind & CTLTYPE) != CTLTYPE_STRING && !oflag && !xflag &&
	    (fmt[0] != 'S' || (strcmp(fmt, "S,clockinfo") != 0 && strcmp(fmt, "S,timeval") != 0 &&
	    strcmp(fmt, "S,timespec") != 0 && strcmp(fmt, "S,loadavg") != 0))) {
		free(val);
		return 0;
	}
	if (!nflag)
		printf("%s%s", name, eflag ? "=" : ": ");
	if ((kind & CTLTYPE) == CTLTYPE_STRING || fmt[0] == 'A')
		fputs(val, stdout);
	else if (width > 0) {
		for (size_t i = 0; i + width <= len; i += width) {
			if (i > 0)
				putchar(' ');
			print_int(val + i, width, sign);
		}
	} else
		print_struct(fmt, val, len);
	putchar('\n');
	free(val);
	return 0;
}

/* Everything below a node, or everything. */
static int
show_all(const int *root, size_t nroot)
{
	int mib[CTL_MAXNAME + 2], next[CTL_MAXNAME + 2];
	size_t n = nroot, len;

	if (nroot == 0) {
		mib[0] = CTL_KERN;
		n = 1;
	} else
		memcpy(mib, root, nroot * sizeof(int));
	for (;;) {
		len = CTL_MAXNAME * sizeof(int);
		if (meta(2, mib, n, next, &len) != 0)
			return errno == ENOENT ? 0 : (warn("sysctl next"), 1);
		n = len / sizeof(int);
		if (n < nroot || memcmp(next, root, nroot * sizeof(int)) != 0)
			return 0;
		memcpy(mib, next, len);
		show(mib, n, "?", true);
	}
}

static int
assign(const int *mib, size_t n, const char *name, const char *value)
{
	char fmt[128], buf[8];
	const void *data = buf;
	unsigned kind;
	size_t width;
	bool sign;
	long long v;
	char *end;

	if (!mib_format(mib, n, &kind, fmt, sizeof(fmt)))
		errx(1, "couldn't find format of oid '%s'", name);
	if ((kind & CTLTYPE) == CTLTYPE_NODE)
		errx(1, "oid '%s' isn't a leaf node", name);
	if (!(kind & CTLFLAG_WR))
		errx(1, "oid '%s' is read only", name);
	if ((width = int_width(kind, &sign)) > 0) {
		errno = 0;
		v = sign ? strtoll(value, &end, 0) : (long long)strtoull(value, &end, 0);
		if (end == value || *end != '\0' || errno != 0)
			errx(1, "invalid integer '%s'", value);
		memcpy(buf, &v, width);
	} else if ((kind & CTLTYPE) == CTLTYPE_STRING) {
		data = value;
		width = strlen(value);
	} else
		errx(1, "oid '%s' is type %u, cannot set that", name, kind & CTLTYPE);
	if (!qflag && !nflag) {
		/* Old value, then the arrow, as "name: old -> new". */
		char *old;
		size_t len = 0;

		if (sysctl(mib, (unsigned)n, NULL, &len, NULL, 0) == 0) {
			old = xmalloc(len + 1);
			if (sysctl(mib, (unsigned)n, old, &len, NULL, 0) == 0) {
				old[len] = '\0';
				printf("%s: ", name);
				if ((kind & CTLTYPE) == CTLTYPE_STRING)
					fputs(old, stdout);
				else if (len >= width)
					print_int(old, width, sign);
				fputs(" -> ", stdout);
			}
			free(old);
		}
	}
	fflush(stdout);
	if (sysctl(mib, (unsigned)n, NULL, NULL, data, width) != 0) {
		if (!qflag)
			putchar('\n');
		fflush(stdout);
		warn("%s", name);
		return 1;
	}
	if (!qflag)
		puts(value);
	return 0;
}

static int
handle(char *arg)
{
	char *eq = strchr(arg, '='), fmt[128];
	int mib[CTL_MAXNAME + 2];
	size_t n = CTL_MAXNAME;
	unsigned kind;

	if (eq != NULL)
		*eq++ = '\0';
	if (sysctlnametomib(arg, mib, &n) != 0) {
		if (!qflag)
			warnx("unknown oid '%s'", arg);
		return 1;
	}
	if (eq != NULL)
		return assign(mib, n, arg, eq);
	if (mib_format(mib, n, &kind, fmt, sizeof(fmt)) && (kind & CTLTYPE) == CTLTYPE_NODE && !dflag)
		return show_all(mib, n);
	return show(mib, n, arg, false);
}

int
sysctl_main(int argc, char **argv)
{
	bool all = false;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "AadeNnoqwXx")) != -1) {
		switch (ch) {
		case 'A':
		case 'X': oflag = true; /* FALLTHROUGH */
		case 'a': all = true; break;
		case 'd': dflag = true; break;
		case 'e': eflag = true; break;
		case 'N': Nflag = true; break;
		case 'n': nflag = true; break;
		case 'o': oflag = true; break;
		case 'q': qflag = true; break;
		case 'w': break;
		case 'x': xflag = oflag = true; break;
		default: usage(1, "sysctl [-deNnoqx] variable[=value] ...\n       sysctl [-deNnoqx] -a");
		}
	}
	if (all)
		return finish(show_all(NULL, 0));
	if (optind == argc)
		usage(1, "sysctl [-deNnoqx] variable[=value] ...\n       sysctl [-deNnoqx] -a");
	for (int i = optind; i < argc; i++)
		rc |= handle(argv[i]);
	return finish(rc);
}
