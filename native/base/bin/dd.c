/*
 * dd [operand ...]: convert and copy. Counterpart: bin/dd.
 *
 * Operands: if of bs ibs obs cbs count skip iseek seek oseek files conv (block unblock lcase ucase swab noerror
 * notrunc sync sparse fsync) status (none noxfer). SIGINFO prints the counts.
 */
#include "util.h"

static size_t ibs = 512, obs = 512, cbs;
static long long count = -1, skip_blocks, seek_blocks;
static const char *in_name, *out_name;
static bool c_lcase, c_ucase, c_swab, c_noerror, c_notrunc, c_sync, c_sparse, c_fsync, c_block, c_unblock;
static int status_level = 2; /* 0 none, 1 noxfer, 2 all */
static int in_fd = STDIN_FILENO, out_fd = STDOUT_FILENO;
static unsigned long long in_full, in_part, out_full, out_part, truncated, bytes;
static struct timespec start;
static volatile sig_atomic_t want_info;

static void
summary(void)
{
	struct timespec now;
	double t;

	if (status_level == 0)
		return;
	fprintf(stderr, "%llu+%llu records in\n%llu+%llu records out\n", in_full, in_part, out_full, out_part);
	if (truncated > 0)
		fprintf(stderr, "%llu truncated %s\n", truncated, truncated == 1 ? "block" : "blocks");
	if (status_level < 2)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	t = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
	if (t <= 0)
		t = 1e-6;
	fprintf(stderr, "%llu bytes transferred in %.6f secs (%.0f bytes/sec)\n", bytes, t, (double)bytes / t);
}

static void
on_info(int sig)
{
	(void)sig;
	want_info = 1;
}

static void
on_int(int sig)
{
	summary();
	_exit(128 + sig);
}

/* "2x3k": products of sizes. */
static long long
number(const char *op, const char *s)
{
	long long v = 1, n;
	char part[64];

	for (;;) {
		size_t len = strcspn(s, "xX");

		/* "0x10" is a number, not a product. */
		if (len == 1 && s[0] == '0' && s[1] == 'x' && isxdigit((unsigned char)s[2]))
			len = 2 + strspn(s + 2, "0123456789abcdefABCDEF");
		if (len == 0 || len >= sizeof(part))
			errx(1, "%s: illegal numeric value", op);
		memcpy(part, s, len);
		part[len] = '\0';
		if (!parse_size(part, &n) || n < 0 || __builtin_mul_overflow(v, n, &v))
			errx(1, "%s: illegal numeric value", op);
		if (s[len] == '\0')
			return v;
		s += len + 1;
	}
}

static void
conversions(char *list)
{
	static const struct {
		const char *name;
		bool *flag;
	} known[] = {
		{ "lcase", &c_lcase }, { "ucase", &c_ucase }, { "swab", &c_swab }, { "noerror", &c_noerror }, { "sync", &c_sync },
		{ "notrunc", &c_notrunc }, { "sparse", &c_sparse }, { "fsync", &c_fsync }, { "fdatasync", &c_fsync },
		{ "block", &c_block }, { "unblock", &c_unblock },
	};

	for (char *w = strtok(list, ","); w != NULL; w = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < NELEM(known) && strcmp(known[i].name, w) != 0)
			i++;
		if (i == NELEM(known))
			errx(1, "unknown conversion %s", w);
		*known[i].flag = true;
	}
}

static void
operands(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *eq = strchr(argv[i], '='), *val;
		size_t n;

		if (eq == NULL)
			errx(1, "unknown operand %s", argv[i]);
		val = eq + 1;
		n = (size_t)(eq - argv[i]);
#define IS(s) (n == sizeof(s) - 1 && strncmp(argv[i], s, n) == 0)
		if (*val == '\0')
			errx(1, "no value specified for %.*s", (int)n, argv[i]);
		if (IS("if"))
			in_name = val;
		else if (IS("of"))
			out_name = val;
		else if (IS("bs"))
			ibs = obs = (size_t)number("bs", val);
		else if (IS("ibs"))
			ibs = (size_t)number("ibs", val);
		else if (IS("obs"))
			obs = (size_t)number("obs", val);
		else if (IS("cbs"))
			cbs = (size_t)number("cbs", val);
		else if (IS("count"))
			count = number("count", val);
		else if (IS("skip") || IS("iseek"))
			skip_blocks = number("skip", val);
		else if (IS("seek") || IS("oseek"))
			seek_blocks = number("seek", val);
		else if (IS("files"))
			(void)number("files", val);
		else if (IS("conv"))
			conversions(val);
		else if (IS("status")) {
			if (strcmp(val, "none") == 0)
				status_level = 0;
			else if (strcmp(val, "noxfer") == 0)
				status_level = 1;
			else if (strcmp(val, "progress") != 0)
				errx(1, "unknown status %s", val);
		} else
			errx(1, "unknown operand %.*s", (int)n, argv[i]);
#undef IS
	}
	if (ibs == 0 || obs == 0 || ibs > 1 << 30 || obs > 1 << 30)
		errx(1, "buffer sizes must be between 1 and 1073741824");
	if (c_lcase && c_ucase)
		errx(1, "only one of lcase and ucase");
	if ((c_block || c_unblock) && cbs == 0)
		errx(1, "cbs operand required");
}

static bool sparse_pending;

static void
write_block(const char *p, size_t n)
{
	if (c_sparse && n == obs) {
		size_t i = 0;

		while (i < n && p[i] == '\0')
			i++;
		if (i == n && lseek(out_fd, (off_t)n, SEEK_CUR) >= 0) {
			sparse_pending = true;
			out_full++;
			bytes += n;
			return;
		}
	}
	sparse_pending = false;
	while (n > 0) {
		ssize_t w = write(out_fd, p, n > obs ? obs : n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			warn("%s", out_name != NULL ? out_name : "stdout");
			summary();
			exit(1);
		}
		if ((size_t)w == obs)
			out_full++;
		else
			out_part++;
		bytes += (unsigned long long)w;
		p += w;
		n -= (size_t)w;
	}
}

static struct sbuf out;

static void
emit(const char *p, size_t n, bool direct)
{
	/* With bs= and no conversion each record read is written as it is. */
	if (direct) {
		write_block(p, n);
		return;
	}
	sb_put(&out, p, n);
	if (out.len >= obs) {
		size_t done = 0;

		for (; out.len - done >= obs; done += obs)
			write_block(out.s + done, obs);
		memmove(out.s, out.s + done, out.len - done);
		out.len -= done;
	}
}

/* conv=block: newline-terminated records padded with blanks to cbs; unblock: the way back. */
static void
emit_records(const char *p, size_t n, bool end)
{
	static struct sbuf rec;

	for (size_t i = 0; i < n; i++) {
		if (c_block) {
			if (p[i] != '\n') {
				sb_putc(&rec, p[i]);
				continue;
			}
		} else {
			sb_putc(&rec, p[i]);
			if (rec.len < cbs)
				continue;
			while (rec.len > 0 && rec.s[rec.len - 1] == ' ')
				rec.len--;
			sb_putc(&rec, '\n');
			emit(rec.s, rec.len, false);
			sb_reset(&rec);
			continue;
		}
		if (rec.len > cbs) {
			truncated++;
			rec.len = cbs;
		}
		while (rec.len < cbs)
			sb_putc(&rec, ' ');
		emit(rec.s, rec.len, false);
		sb_reset(&rec);
	}
	if (end && rec.len > 0) {
		if (c_block) {
			emit_records("\n", 1, false);
		} else {
			while (rec.len > 0 && rec.s[rec.len - 1] == ' ')
				rec.len--;
			sb_putc(&rec, '\n');
			emit(rec.s, rec.len, false);
		}
	}
}

static void
skip_input(char *buf)
{
	struct stat st;

	if (skip_blocks == 0)
		return;
	if (fstat(in_fd, &st) == 0 && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) &&
	    lseek(in_fd, skip_blocks * (off_t)ibs, SEEK_CUR) >= 0)
		return;
	for (long long left = skip_blocks * (long long)ibs; left > 0;) {
		ssize_t n = read(in_fd, buf, left < (long long)ibs ? (size_t)left : ibs);

		if (n < 0)
			err(1, "%s", in_name != NULL ? in_name : "stdin");
		if (n == 0)
			return;
		left -= n;
	}
}

int
dd_main(int argc, char **argv)
{
	bool direct;
	char *buf;
	ssize_t n;

	operands(argc, argv);
	/* bs= sets both; equal sizes without conversions come to the same. */
	direct = ibs == obs && !c_block && !c_unblock;
	if (in_name != NULL && (in_fd = open(in_name, O_RDONLY)) < 0)
		err(1, "%s", in_name);
	if (out_name != NULL) {
		out_fd = open(out_name, O_RDWR | O_CREAT | (seek_blocks == 0 && !c_notrunc ? O_TRUNC : 0), 0666);
		if (out_fd < 0 && (out_fd = open(out_name, O_WRONLY | O_CREAT, 0666)) < 0)
			err(1, "%s", out_name);
		if (seek_blocks > 0 && !c_notrunc) {
			struct stat st;

			if (fstat(out_fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(out_fd, seek_blocks * (off_t)obs) != 0)
				err(1, "truncating %s", out_name);
		}
	}
	buf = xmalloc(ibs + 1);
	if (seek_blocks > 0 && lseek(out_fd, seek_blocks * (off_t)obs, SEEK_CUR) < 0)
		err(1, "%s", out_name != NULL ? out_name : "stdout");
	clock_gettime(CLOCK_MONOTONIC, &start);
#ifdef SIGINFO
	signal(SIGINFO, on_info);
#else
	signal(SIGUSR1, on_info);
#endif
	signal(SIGINT, on_int);
	skip_input(buf);
	sb_reset(&out);
	for (long long done = 0; count < 0 || done < count; done++) {
		if (want_info) {
			want_info = 0;
			summary();
		}
		n = read(in_fd, buf, ibs);
		if (n < 0) {
			if (errno == EINTR) {
				done--;
				continue;
			}
			warn("%s", in_name != NULL ? in_name : "stdin");
			if (!c_noerror) {
				summary();
				return 1;
			}
			(void)lseek(in_fd, (off_t)ibs, SEEK_CUR);
			if (!c_sync)
				continue;
			n = 0;
			in_part++;
		} else if (n == 0)
			break;
		else if ((size_t)n == ibs)
			in_full++;
		else
			in_part++;
		if (c_sync && (size_t)n < ibs) {
			memset(buf + n, c_block || c_unblock ? ' ' : '\0', ibs - (size_t)n);
			n = (ssize_t)ibs;
		}
		if (c_swab)
			for (ssize_t i = 0; i + 1 < n; i += 2) {
				char t = buf[i];

				buf[i] = buf[i + 1];
				buf[i + 1] = t;
			}
		if (c_lcase || c_ucase)
			for (ssize_t i = 0; i < n; i++)
				buf[i] = (char)(c_lcase ? tolower((unsigned char)buf[i]) : toupper((unsigned char)buf[i]));
		if (c_block || c_unblock)
			emit_records(buf, (size_t)n, false);
		else
			emit(buf, (size_t)n, direct);
	}
	if (c_block || c_unblock)
		emit_records("", 0, true);
	if (out.len > 0)
		write_block(out.s, out.len);
	/* A file that ends in a hole still has its length. */
	if (sparse_pending) {
		off_t end = lseek(out_fd, 0, SEEK_CUR);

		if (end >= 0 && ftruncate(out_fd, end) != 0)
			err(1, "%s", out_name != NULL ? out_name : "stdout");
	}
	if (c_fsync && fsync(out_fd) != 0)
		err(1, "fsyncing %s", out_name != NULL ? out_name : "stdout");
	if (close(out_fd) != 0)
		err(1, "%s", out_name != NULL ? out_name : "stdout");
	summary();
	return 0;
}
