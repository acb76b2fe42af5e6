/*
 * stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...], readlink [-fn] file. Counterpart: usr.bin/stat.
 *
 * A format item is %[#+-0 ][size][.prec][fmt][sub]datum with fmt of D O U X F S, sub of H M L Y.
 */
#include "util.h"

static const char *timefmt = "%b %e %H:%M:%S %Y";

static void
put_time(char *buf, size_t size, const struct timespec *ts)
{
	time_t t = ts->tv_sec;

	if (strftime(buf, size, timefmt, localtime(&t)) == 0)
		buf[0] = '\0';
}

static const char *
type_name(unsigned mode, bool mark)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return mark ? "/" : "Directory";
	case S_IFLNK: return mark ? "@" : "Symbolic Link";
	case S_IFIFO: return mark ? "|" : "Fifo File";
	case S_IFSOCK: return mark ? "=" : "Socket";
	case S_IFCHR: return mark ? "" : "Character Device";
	case S_IFBLK: return mark ? "" : "Block Device";
	case S_IFREG: return mark ? (mode & 0111 ? "*" : "") : "Regular File";
	default: return mark ? "" : "???";
	}
}

/* One item after its '%'; returns where the format goes on. */
static const char *
item(const char *f, const struct stat *st, const char *path, int *rc)
{
	char flags[8], spec[48], text[PATH_MAX + 8], fmt = 0, sub = 0, def = 'U';
	size_t nf = 0;
	int width = -1, prec = -1;
	unsigned long long v = 0;
	const char *s = NULL;
	const struct timespec *ts = NULL;
	ssize_t n;

	while (*f != '\0' && strchr("#+-0 ", *f) != NULL && nf < 6)
		flags[nf++] = *f++;
	flags[nf] = '\0';
	if (isdigit((unsigned char)*f))
		width = (int)strtol(f, (char **)&f, 10);
	if (*f == '.')
		prec = (int)strtol(f + 1, (char **)&f, 10);
	if (*f != '\0' && strchr("DOUXFS", *f) != NULL)
		fmt = *f++;
	if (*f != '\0' && strchr("HML", *f) != NULL && f[1] != '\0' && strchr("dprTZuagmcBo", f[1]) != NULL)
		sub = *f++;
	switch (*f) {
	case 'd':
	case 'r':
		v = *f == 'd' ? st->st_dev : st->st_rdev;
		if (sub == 'H')
			v = major(v);
		else if (sub == 'L')
			v = minor(v);
		break;
	case 'i': v = st->st_ino; break;
	case 'p':
		v = st->st_mode;
		if (fmt == 'S') {
			mode_string(st->st_mode, text);
			text[10] = '\0';
			s = text;
			if (sub == 'H' || sub == 'M' || sub == 'L') {
				s = text + (sub == 'H' ? 1 : sub == 'M' ? 4 : 7);
				text[(s - text) + 3] = '\0';
			}
		} else if (sub == 'H')
			v >>= 12;
		else if (sub == 'M')
			v = (v >> 9) & 7;
		else if (sub == 'L')
			v &= 0777;
		def = 'O';
		break;
	case 'l': v = st->st_nlink; break;
	case 'u': v = st->st_uid; s = fmt == 'S' ? user_name(st->st_uid) : NULL; break;
	case 'g': v = st->st_gid; s = fmt == 'S' ? group_name(st->st_gid) : NULL; break;
	case 'a': ts = &st->st_atim; break;
	case 'm': ts = &st->st_mtim; break;
	case 'c': ts = &st->st_ctim; break;
	case 'B': ts = &st->st_ctim; break;
	case 'z': v = (unsigned long long)st->st_size; break;
	case 'b': v = (unsigned long long)st->st_blocks; break;
	case 'k': v = (unsigned long long)st->st_blksize; break;
#if HOST_LIBC
	case 'f':
	case 'v': v = 0; break;
#else
	case 'f': v = st->st_flags; break;
	case 'v': v = st->st_gen; break;
#endif
	case 'N':
	case 'R': s = path; break;
	case 'T': s = type_name(st->st_mode, sub != 'H'); break;
	case 'Y':
		s = "";
		break;
	case 'Z':
		if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
			snprintf(text, sizeof(text), "%u,%u", (unsigned)major(st->st_rdev), (unsigned)minor(st->st_rdev));
		else
			snprintf(text, sizeof(text), "%llu", (unsigned long long)st->st_size);
		s = text;
		break;
	default:
		errx(1, "%c: bad format", *f);
	}
	if (*f == 'Y') {
		char link[PATH_MAX];

		text[0] = '\0';
		if (S_ISLNK(st->st_mode)) {
			if ((n = readlink(path, link, sizeof(link) - 1)) < 0) {
				warn("%s", path);
				*rc = 1;
				n = 0;
			}
			snprintf(text, sizeof(text), "%s%.*s", fmt == 'S' ? " -> " : "", (int)n, link);
		}
		s = text;
	}
	if (ts != NULL) {
		v = (unsigned long long)ts->tv_sec;
		if (fmt == 'S') {
			put_time(text, sizeof(text), ts);
			s = text;
		} else if (fmt == 'F') {
			snprintf(text, sizeof(text), "%lld.%09ld", (long long)ts->tv_sec, (long)ts->tv_nsec);
			s = text;
		} else
			def = 'D';
	}
	if (fmt == 0)
		fmt = s != NULL ? 'S' : def;
	if (s != NULL) {
		bool left = strchr(flags, '-') != NULL;

		if (prec >= 0)
			printf(left ? "%-*.*s" : "%*.*s", width < 0 ? 0 : width, prec, s);
		else
			printf(left ? "%-*s" : "%*s", width < 0 ? 0 : width, s);
		return f + 1;
	}
	snprintf(spec, sizeof(spec), "%%%s*.*ll%c", flags, fmt == 'D' ? 'd' : fmt == 'O' ? 'o' : fmt == 'X' ? 'x' : 'u');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	printf(spec, width < 0 ? 0 : width, prec, v);
#pragma GCC diagnostic pop
	return f + 1;
}

static int
show(const char *format, const struct stat *st, const char *path, bool newline)
{
	int rc = 0;

	for (const char *f = format; *f != '\0';) {
		if (*f != '%') {
			putchar(*f++);
			continue;
		}
		f++;
		if (*f == '%' || *f == 'n' || *f == 't') {
			putchar(*f == 'n' ? '\n' : *f == 't' ? '\t' : '%');
			f++;
		} else
			f = item(f, st, path, &rc);
	}
	if (newline)
		putchar('\n');
	return rc;
}

static int
readlink_tool(int argc, char **argv)
{
	bool fflag = false, nflag = false;
	char buf[PATH_MAX + 1];
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "fn")) != -1) {
		if (ch == 'f')
			fflag = true;
		else if (ch == 'n')
			nflag = true;
		else
			usage(1, "readlink [-fn] [file ...]");
	}
	if (optind == argc)
		usage(1, "readlink [-fn] [file ...]");
	for (int i = optind; i < argc; i++) {
		ssize_t n;

		if (fflag) {
			if (realpath(argv[i], buf) == NULL) {
				rc = 1;
				continue;
			}
		} else if ((n = readlink(argv[i], buf, PATH_MAX)) < 0) {
			rc = 1;
			continue;
		} else
			buf[n] = '\0';
		printf("%s%s", buf, nflag ? "" : "\n");
	}
	return finish(rc);
}

int
stat_main(int argc, char **argv)
{
	static const char text[] = "stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]";
	const char *format = NULL;
	bool follow = false, newline = true, quiet = false, mark = false;
	int ch, rc = 0;
	char which = 0;

	if (strcmp(base_name(argv[0]), "readlink") == 0)
		return readlink_tool(argc, argv);
	while ((ch = getopt(argc, argv, "FLf:lnqrst:x")) != -1) {
		switch (ch) {
		case 'F': mark = true; which = which ? which : 'l'; break;
		case 'L': follow = true; break;
		case 'f': format = optarg; break;
		case 'l': case 'r': case 's': case 'x': which = (char)ch; break;
		case 'n': newline = false; break;
		case 'q': quiet = true; break;
		case 't': timefmt = optarg; break;
		default: usage(1, text);
		}
	}
	if (format == NULL)
		switch (which) {
		case 'l':
			format = mark ? "%Sp %l %Su %Sg %Z %Sm %N%T%SY" : "%Sp %l %Su %Sg %Z %Sm %N%SY";
			break;
		case 'r': format = "%d %i %#p %l %u %g %r %z %a %m %c %B %k %b %f %N"; break;
		case 's':
			format = "st_dev=%d st_ino=%i st_mode=%#p st_nlink=%l st_uid=%u st_gid=%g st_rdev=%r st_size=%z st_atime=%a "
				 "st_mtime=%m st_ctime=%c st_blksize=%k st_blocks=%b st_flags=%f";
			break;
		case 'x':
			format = "  File: \"%N\"%n  Size: %-11z  FileType: %HT%n  Mode: (%OMp%03OLp/%.10Sp)         "
				 "Uid: (%5u/%8Su)  Gid: (%5g/%8Sg)%nDevice: %Hd,%Ld   Inode: %i    Links: %l%n"
				 "Access: %Sa%nModify: %Sm%nChange: %Sc";
			if (timefmt[1] == 'b')
				timefmt = "%a %b %e %H:%M:%S %Y";
			break;
		default: format = "%d %i %Sp %l %Su %Sg %r %z \"%Sa\" \"%Sm\" \"%Sc\" %k %b %Xf %N"; break;
		}
	for (int i = optind; i < argc || i == optind; i++) {
		struct stat st;
		const char *path = i < argc ? argv[i] : "(stdin)";

		if (i == argc ? fstat(STDIN_FILENO, &st) : follow && stat(path, &st) == 0 ? 0 : lstat(path, &st)) {
			if (!quiet)
				warn("%s: stat", path);
			rc = 1;
			continue;
		}
		rc |= show(format, &st, path, newline);
	}
	return finish(rc);
}
