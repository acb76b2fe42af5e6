/*
 * The printing half of ls: long, one a line, columns down or across, comma stream.
 */
#include "ls.h"

static const struct {
	const char *name;
	unsigned bit;
} flag_names[] = {
	{ "uarch", 0x10000 }, { "schg", 0x20000 }, { "sappnd", 0x40000 }, { "sunlnk", 0x100000 }, { "nohistory", 0x400000 },
	{ "nocache", 0x800000 }, { "nodump", 0x1 }, { "uchg", 0x2 }, { "uappnd", 0x4 }, { "opaque", 0x8 },
	{ "uunlnk", 0x10 }, { "unohistory", 0x40 }, { "ucache", 0x80 },
};

const char *
flags_string(unsigned flags)
{
	static char buf[160];

	buf[0] = '\0';
	for (size_t i = 0; i < NELEM(flag_names); i++)
		if (flags & flag_names[i].bit) {
			if (buf[0] != '\0')
				strcat(buf, ",");
			strcat(buf, flag_names[i].name);
		}
	return buf[0] != '\0' ? buf : "-";
}

static unsigned
entry_flags(const struct entry *e)
{
#if HOST_LIBC
	(void)e;
	return 0;
#else
	return e->st.st_flags;
#endif
}

static int
put_name(const char *s)
{
	int n = 0;

	/* Bytes above 127 are let through: they are most likely UTF-8. Width counts sequences, not bytes. */
	for (; *s != '\0'; s++) {
		putchar(ls.hide && ((unsigned char)*s < 32 || *s == 127) ? '?' : *s);
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	}
	return n;
}

static int
name_width(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

static char
class_of(const struct entry *e)
{
	mode_t m = e->st.st_mode;

	if (S_ISDIR(m))
		return '/';
	if (!ls.classify)
		return 0;
	if (S_ISLNK(m))
		return '@';
	if (S_ISFIFO(m))
		return '|';
	if (S_ISSOCK(m))
		return '=';
	return m & 0111 ? '*' : 0;
}

static int
put_class(const struct entry *e)
{
	char c = ls.classify || ls.slash ? class_of(e) : 0;

	if (c != 0)
		putchar(c);
	return c != 0;
}

static void
put_time(time_t t)
{
	static time_t now;
	struct tm *tm = localtime(&t);
	const char *fmt = "%b %e  %Y";
	char buf[64];

	if (now == 0)
		now = time(NULL);
	if (ls.full_time)
		fmt = "%b %e %H:%M:%S %Y";
	else if (t + 365L * 86400 / 2 > now && t < now + 365L * 86400 / 2)
		fmt = "%b %e %H:%M";
	if (tm == NULL || strftime(buf, sizeof(buf), fmt, tm) == 0)
		strcpy(buf, "bad date");
	printf("%s ", buf);
}

static void
put_size(const struct entry *e, int width)
{
	char buf[24];

	if (S_ISCHR(e->st.st_mode) || S_ISBLK(e->st.st_mode)) {
		unsigned maj = major(e->st.st_rdev), min = minor(e->st.st_rdev);

		snprintf(buf, sizeof(buf), min > 255 ? "%3u, 0x%08x" : "%3u, %3u", maj, min);
	} else if (ls.human)
		humanize(buf, sizeof(buf), e->st.st_size, false);
	else
		snprintf(buf, sizeof(buf), "%lld", (long long)e->st.st_size);
	printf("%*s ", width, buf);
}

static int
digits(unsigned long long v)
{
	int n = 1;

	while (v >= 10) {
		v /= 10;
		n++;
	}
	return n;
}

static unsigned long long
blocks_of(const struct entry *e)
{
	return ((unsigned long long)e->st.st_blocks * 512 + (unsigned long long)ls.block - 1) / (unsigned long long)ls.block;
}

static void
put_prefix(const struct entry *e, int wino, int wblk)
{
	if (ls.inode)
		printf("%*llu ", wino, (unsigned long long)e->st.st_ino);
	if (ls.blocks) {
		if (ls.human) {
			char buf[16];

			humanize(buf, sizeof(buf), (long long)e->st.st_blocks * 512, false);
			printf("%*s ", 5, buf);
		} else
			printf("%*llu ", wblk, blocks_of(e));
	}
}

static const char *
owner_of(const struct entry *e, bool group)
{
	static char num[2][16];

	if (!ls.numeric)
		return group ? group_name(e->st.st_gid) : user_name(e->st.st_uid);
	snprintf(num[group], sizeof(num[0]), "%u", group ? (unsigned)e->st.st_gid : (unsigned)e->st.st_uid);
	return num[group];
}

static void
print_long(struct entry **v, size_t n, int wino, int wblk)
{
	int wlink = 1, wuser = 1, wgroup = 1, wsize = 1, wflags = 1;

	for (size_t i = 0; i < n; i++) {
		const struct entry *e = v[i];
		bool dev = S_ISCHR(e->st.st_mode) || S_ISBLK(e->st.st_mode);
		int w;

#define WIDEN(var, val) if ((w = (val)) > (var)) (var) = w
		WIDEN(wlink, digits(e->st.st_nlink));
		WIDEN(wuser, (int)strlen(owner_of(e, false)));
		WIDEN(wgroup, (int)strlen(owner_of(e, true)));
		WIDEN(wsize, dev ? (minor(e->st.st_rdev) > 255 ? 15 : 8) : ls.human ? 5 :
		    digits((unsigned long long)e->st.st_size));
		WIDEN(wflags, (int)strlen(flags_string(entry_flags(e))));
#undef WIDEN
	}
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = v[i];
		char mode[12];

		put_prefix(e, wino, wblk);
		mode_string(e->st.st_mode, mode);
		printf("%s %*llu %-*s  %-*s  ", mode, wlink, (unsigned long long)e->st.st_nlink, wuser, owner_of(e, false),
		    wgroup, owner_of(e, true));
		if (ls.flags)
			printf("%-*s ", wflags, flags_string(entry_flags(e)));
		put_size(e, wsize);
		put_time(ls_time(e).tv_sec);
		put_name(e->name);
		put_class(e);
		if (e->target != NULL) {
			fputs(" -> ", stdout);
			put_name(e->target);
		}
		putchar('\n');
	}
}

static void
print_columns(struct entry **v, size_t n, int wino, int wblk)
{
	size_t cols, rows, count;
	int width = 0;

	for (size_t i = 0; i < n; i++) {
		int w = name_width(v[i]->name);

		if (w > width)
			width = w;
	}
	width += (ls.inode ? wino + 1 : 0) + (ls.blocks ? (ls.human ? 5 : wblk) + 1 : 0) + (ls.classify || ls.slash);
	width = (width + 8) & ~7;
	cols = (size_t)(term_columns() / width);
	if (cols == 0)
		cols = 1;
	rows = (n + cols - 1) / cols;
	if (ls.format == FMT_COLUMNS && rows > 0)
		cols = (n + rows - 1) / rows;
	for (size_t r = 0; r < rows; r++) {
		count = ls.format == FMT_COLUMNS ? cols : (r + 1 < rows ? cols : n - r * cols);
		for (size_t c = 0; c < count; c++) {
			size_t i = ls.format == FMT_COLUMNS ? c * rows + r : r * cols + c;
			bool last = c + 1 == count || (ls.format == FMT_COLUMNS && i + rows >= n);
			int used;

			if (i >= n)
				break;
			put_prefix(v[i], wino, wblk);
			used = (ls.inode ? wino + 1 : 0) + (ls.blocks ? (ls.human ? 5 : wblk) + 1 : 0);
			used += put_name(v[i]->name);
			used += put_class(v[i]);
			if (last)
				break;
			for (; used < width; used = (used + 8) & ~7)
				putchar('\t');
		}
		putchar('\n');
	}
}

static void
print_stream(struct entry **v, size_t n, int wino, int wblk)
{
	int col = 0, limit = term_columns();

	for (size_t i = 0; i < n; i++) {
		int w = name_width(v[i]->name) + (ls.inode ? wino + 1 : 0) + (ls.blocks ? wblk + 1 : 0) + 2;

		if (col > 0 && col + w >= limit) {
			putchar('\n');
			col = 0;
		}
		put_prefix(v[i], wino, wblk);
		put_name(v[i]->name);
		put_class(v[i]);
		if (i + 1 < n)
			fputs(", ", stdout);
		col += w;
	}
	if (n > 0)
		putchar('\n');
}

void
ls_print(struct entry **v, size_t n, bool in_dir)
{
	unsigned long long total = 0, max_ino = 0, max_blk = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned long long b = blocks_of(v[i]);

		total += (unsigned long long)v[i]->st.st_blocks;
		if (b > max_blk)
			max_blk = b;
		if (v[i]->st.st_ino > max_ino)
			max_ino = v[i]->st.st_ino;
	}
	if (in_dir && (ls.lng || ls.blocks) && (ls.lng || n > 0)) {
		if (ls.human) {
			char buf[16];

			humanize(buf, sizeof(buf), (long long)total * 512, false);
			printf("total %s\n", buf);
		} else
			printf("total %llu\n", (total * 512 + (unsigned long long)ls.block - 1) / (unsigned long long)ls.block);
	}
	if (ls.lng)
		print_long(v, n, digits(max_ino), digits(max_blk));
	else if (ls.format == FMT_STREAM)
		print_stream(v, n, digits(max_ino), digits(max_blk));
	else if (ls.format == FMT_LINES) {
		for (size_t i = 0; i < n; i++) {
			put_prefix(v[i], digits(max_ino), digits(max_blk));
			put_name(v[i]->name);
			put_class(v[i]);
			putchar('\n');
		}
	} else
		print_columns(v, n, digits(max_ino), digits(max_blk));
}
