/*
 * ps [-AaCcefHhjlmrSTuvwx] [-O fmt] [-o fmt] [-p pids] [-t ttys] [-U users]: process status. Counterpart: bin/ps.
 */
#include "proclist.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/param.h>

struct column {
	char *header;
	int width;
	const struct key *key;
};

struct key {
	const char *name, *header;
	bool left;
	void (*put)(const struct kinfo_proc *k, struct sbuf *b);
};

static bool cflag, Hflag;
static uint64_t usermem;

static void PRINTFLIKE(2, 3)
put(struct sbuf *b, const char *fmt, ...)
{
	char buf[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	sb_puts(b, buf);
}

#define NUM(fn, expr) static void fn(const struct kinfo_proc *k, struct sbuf *b) { put(b, "%lld", (long long)(expr)); }
#define STR(fn, expr) static void fn(const struct kinfo_proc *k, struct sbuf *b) { sb_puts(b, expr); }
NUM(k_pid, k->kp_pid)
NUM(k_ppid, k->kp_ppid)
NUM(k_pgid, k->kp_pgid)
NUM(k_sid, k->kp_sid)
NUM(k_tpgid, k->kp_tpgid)
NUM(k_jobc, k->kp_jobc)
NUM(k_uid, k->kp_uid)
NUM(k_ruid, k->kp_ruid)
NUM(k_svuid, k->kp_svuid)
NUM(k_gid, k->kp_ngroups > 0 ? k->kp_groups[0] : k->kp_rgid)
NUM(k_rgid, k->kp_rgid)
NUM(k_svgid, k->kp_svgid)
NUM(k_nice, k->kp_nice)
NUM(k_pri, k->kp_lwp.kl_prio)
NUM(k_tid, k->kp_lwp.kl_tid)
NUM(k_nlwp, k->kp_nthreads)
NUM(k_cpu, k->kp_lwp.kl_estcpu)
NUM(k_cpuid, k->kp_lwp.kl_cpuid)
NUM(k_slp, k->kp_lwp.kl_slptime)
NUM(k_vsz, k->kp_vm_map_size / 1024)
NUM(k_rss, k->kp_vm_rssize * (PAGE_SIZE / 1024))
NUM(k_tsiz, k->kp_vm_tsize * (PAGE_SIZE / 1024))
NUM(k_dsiz, k->kp_vm_dsize * (PAGE_SIZE / 1024))
NUM(k_ssiz, k->kp_vm_ssize * (PAGE_SIZE / 1024))
NUM(k_minflt, k->kp_ru.ru_minflt)
NUM(k_majflt, k->kp_ru.ru_majflt)
NUM(k_inblk, k->kp_ru.ru_inblock)
NUM(k_oublk, k->kp_ru.ru_oublock)
NUM(k_nvcsw, k->kp_ru.ru_nvcsw)
NUM(k_nivcsw, k->kp_ru.ru_nivcsw)
NUM(k_nsigs, k->kp_ru.ru_nsignals)
NUM(k_xstat, k->kp_exitstat)
STR(k_user, user_name(k->kp_uid))
STR(k_ruser, user_name(k->kp_ruid))
STR(k_group, group_name(k->kp_ngroups > 0 ? k->kp_groups[0] : k->kp_rgid))
STR(k_rgroup, group_name(k->kp_rgid))
STR(k_login, k->kp_login[0] != '\0' ? k->kp_login : "-")
STR(k_stat, proc_stat(k))
STR(k_comm, k->kp_comm)
STR(k_args, cflag ? k->kp_comm : proc_args(k))
STR(k_wchan, k->kp_lwp.kl_wmesg[0] != '\0' ? k->kp_lwp.kl_wmesg : "-")

static void
k_flags(const struct kinfo_proc *k, struct sbuf *b)
{
	put(b, "%x", (unsigned)k->kp_flags);
}

static void
k_paddr(const struct kinfo_proc *k, struct sbuf *b)
{
	put(b, "%llx", (unsigned long long)k->kp_paddr);
}

static void
k_sig(const struct kinfo_proc *k, struct sbuf *b)
{
	uint32_t w;

	memcpy(&w, &k->kp_siglist, sizeof(w));
	put(b, "%x", w);
}

static void
k_tty(const struct kinfo_proc *k, struct sbuf *b)
{
	sb_puts(b, proc_tty(k->kp_tdev));
	if (k->kp_tdev != (dev_t)-1 && k->kp_tdev != 0)
		sb_putc(b, k->kp_auxflags & KI_CTTY ? ' ' : '-');
}

static void
k_time(const struct kinfo_proc *k, struct sbuf *b)
{
	uint64_t cs = k->kp_stat == SZOMB ? 0 : (proc_time(k) + 5000) / 10000;

	put(b, "%llu:%02llu.%02llu", (unsigned long long)(cs / 6000), (unsigned long long)(cs / 100 % 60),
	    (unsigned long long)(cs % 100));
}

static void
k_pcpu(const struct kinfo_proc *k, struct sbuf *b)
{
	put(b, "%.1f", 100.0 * k->kp_lwp.kl_pctcpu / FSCALE);
}

static void
k_pmem(const struct kinfo_proc *k, struct sbuf *b)
{
	if (usermem == 0) {
		size_t len = sizeof(usermem);

		if (sysctlbyname("hw.physmem", &usermem, &len, NULL, 0) != 0 || usermem == 0)
			usermem = UINT64_MAX;
	}
	put(b, "%.1f", 100.0 * (double)k->kp_vm_rssize * PAGE_SIZE / (double)usermem);
}

static void
k_start(const struct kinfo_proc *k, struct sbuf *b)
{
	static time_t now;
	time_t t = k->kp_start.tv_sec;
	char buf[32];

	if (now == 0)
		now = time(NULL);
	strftime(buf, sizeof(buf), now - t < 86400 ? "%I:%M%p" : now - t < 7 * 86400 ? "%a%I%p" : "%e%b%y", localtime(&t));
	sb_puts(b, buf[0] == '0' ? buf + 1 : buf);
}

static void
k_lstart(const struct kinfo_proc *k, struct sbuf *b)
{
	time_t t = k->kp_start.tv_sec;
	char buf[64];

	strftime(buf, sizeof(buf), "%a %b %e %H:%M:%S %Y", localtime(&t));
	sb_puts(b, buf);
}

static void
k_etime(const struct kinfo_proc *k, struct sbuf *b)
{
	long long s = (long long)time(NULL) - k->kp_start.tv_sec;

	if (s < 0)
		s = 0;
	if (s >= 86400)
		put(b, "%lld-", s / 86400);
	if (s >= 3600)
		put(b, "%02lld:", s / 3600 % 24);
	put(b, "%02lld:%02lld", s / 60 % 60, s % 60);
}

static const struct key keys[] = {
	{ "%cpu", "%CPU", false, k_pcpu }, { "pcpu", "%CPU", false, k_pcpu }, { "%mem", "%MEM", false, k_pmem },
	{ "pmem", "%MEM", false, k_pmem }, { "args", "COMMAND", true, k_args }, { "command", "COMMAND", true, k_args },
	{ "comm", "COMMAND", true, k_comm }, { "ucomm", "COMMAND", true, k_comm }, { "cpu", "CPU", false, k_cpu },
	{ "cpuid", "C", false, k_cpuid }, { "cputime", "TIME", false, k_time }, { "time", "TIME", false, k_time },
	{ "dsiz", "DSIZ", false, k_dsiz }, { "etime", "ELAPSED", false, k_etime }, { "f", "F", false, k_flags },
	{ "flags", "F", false, k_flags }, { "gid", "GID", false, k_gid }, { "group", "GROUP", true, k_group },
	{ "inblk", "INBLK", false, k_inblk }, { "jobc", "JOBC", false, k_jobc }, { "login", "LOGIN", true, k_login },
	{ "logname", "LOGIN", true, k_login }, { "lstart", "STARTED", true, k_lstart }, { "majflt", "MAJFLT", false, k_majflt },
	{ "minflt", "MINFLT", false, k_minflt }, { "ni", "NI", false, k_nice }, { "nice", "NI", false, k_nice },
	{ "nivcsw", "NIVCSW", false, k_nivcsw }, { "nlwp", "NLWP", false, k_nlwp }, { "nsigs", "NSIGS", false, k_nsigs },
	{ "nvcsw", "NVCSW", false, k_nvcsw }, { "oublk", "OUBLK", false, k_oublk }, { "paddr", "PADDR", false, k_paddr },
	{ "pending", "PENDING", false, k_sig }, { "sig", "PENDING", false, k_sig }, { "pgid", "PGID", false, k_pgid },
	{ "pid", "PID", false, k_pid }, { "ppid", "PPID", false, k_ppid }, { "pri", "PRI", false, k_pri },
	{ "rgid", "RGID", false, k_rgid }, { "rgroup", "RGROUP", true, k_rgroup }, { "rss", "RSS", false, k_rss },
	{ "ruid", "RUID", false, k_ruid }, { "ruser", "RUSER", true, k_ruser }, { "sess", "SESS", false, k_sid },
	{ "sid", "SID", false, k_sid }, { "sl", "SL", false, k_slp }, { "ssiz", "SSIZ", false, k_ssiz },
	{ "start", "STARTED", true, k_start }, { "stat", "STAT", true, k_stat }, { "state", "STAT", true, k_stat },
	{ "svgid", "SVGID", false, k_svgid }, { "svuid", "SVUID", false, k_svuid }, { "tdev", "TDEV", true, k_tty },
	{ "tid", "TID", false, k_tid }, { "lwp", "TID", false, k_tid }, { "tpgid", "TPGID", false, k_tpgid },
	{ "tsiz", "TSIZ", false, k_tsiz }, { "tt", "TT", true, k_tty }, { "tty", "TTY", true, k_tty }, { "uid", "UID", false, k_uid },
	{ "user", "USER", true, k_user }, { "vsize", "VSZ", false, k_vsz }, { "vsz", "VSZ", false, k_vsz },
	{ "wchan", "WCHAN", true, k_wchan }, { "xstat", "XSTAT", false, k_xstat },
};

static struct column *cols;
static size_t ncols;

static void
add_columns(const char *list)
{
	char *copy = xstrdup(list), *p = copy;

	while (*p != '\0') {
		char *word = p, *header = NULL;
		size_t i, n = strcspn(p, ", \t=");

		if (n == 0) {
			p++;
			continue;
		}
		/* A header after "=" takes the whole rest. */
		if (p[n] == '=') {
			header = p + n + 1;
			p += strlen(p);
		} else
			p += n + (p[n] != '\0');
		word[n] = '\0';
		for (i = 0; i < NELEM(keys) && strcmp(keys[i].name, word) != 0; i++)
			;
		if (i == NELEM(keys))
			errx(1, "%s: keyword not found", word);
		cols = xrealloc(cols, (ncols + 1) * sizeof(*cols));
		cols[ncols].key = &keys[i];
		cols[ncols].header = xstrdup(header != NULL ? header : keys[i].header);
		cols[ncols].width = (int)strlen(cols[ncols].header);
		ncols++;
	}
}

struct list {
	long long *v;
	size_t n;
};
static struct list pids, ttys, uids;

static void
add_list(struct list *l, char *arg, char kind)
{
	for (char *w = strtok(arg, ", \t"); w != NULL; w = strtok(NULL, ", \t")) {
		char path[PATH_MAX];
		struct stat st;
		uid_t uid;
		long long v;

		if (kind == 'p') {
			if (!str_num(w, 10, &v) || v < 0)
				errx(1, "illegal process ID: %s", w);
		} else if (kind == 'U') {
			if (!parse_user(w, &uid))
				errx(1, "%s: no such user", w);
			v = uid;
		} else {
			snprintf(path, sizeof(path), "/dev/%s", *w == '/' ? "" : w);
			if (*w == '/')
				snprintf(path, sizeof(path), "%s", w);
			else if (strcmp(w, "con") == 0 || strcmp(w, "co") == 0)
				strcpy(path, "/dev/console");
			else if (access(path, F_OK) != 0)
				snprintf(path, sizeof(path), "/dev/tty%s", w);
			if (stat(path, &st) != 0)
				err(1, "%s", path);
			v = st.st_rdev;
		}
		l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
		l->v[l->n++] = v;
	}
	if (l->n == 0)
		errx(1, "-%c: empty list", kind);
}

static bool
in_list(const struct list *l, long long v)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

static char order; /* 0: terminal and pid, 'm' memory, 'r' cpu */

static int
compare(const void *pa, const void *pb)
{
	const struct kinfo_proc *a = pa, *b = pb;

	if (order == 'm' && a->kp_vm_rssize != b->kp_vm_rssize)
		return a->kp_vm_rssize < b->kp_vm_rssize ? 1 : -1;
	if (order == 'r' && a->kp_lwp.kl_pctcpu != b->kp_lwp.kl_pctcpu)
		return a->kp_lwp.kl_pctcpu < b->kp_lwp.kl_pctcpu ? 1 : -1;
	if (order == 0 && a->kp_tdev != b->kp_tdev)
		return a->kp_tdev < b->kp_tdev ? -1 : 1;
	if (a->kp_pid != b->kp_pid)
		return a->kp_pid < b->kp_pid ? -1 : 1;
	return a->kp_lwp.kl_tid < b->kp_lwp.kl_tid ? -1 : a->kp_lwp.kl_tid > b->kp_lwp.kl_tid;
}

static void
print_all(struct kinfo_proc *v, size_t n, int width)
{
	char **cell = xmalloc((n * ncols + 1) * sizeof(*cell));
	struct sbuf b = { 0 };
	bool header = false;

	for (size_t r = 0; r < n; r++)
		for (size_t c = 0; c < ncols; c++) {
			int w;

			sb_reset(&b);
			cols[c].key->put(&v[r], &b);
			cell[r * ncols + c] = xstrdup(b.s);
			if ((w = (int)strlen(b.s)) > cols[c].width)
				cols[c].width = w;
		}
	for (size_t c = 0; c < ncols; c++)
		header |= cols[c].header[0] != '\0';
	for (size_t r = header ? 0 : 1; r <= n; r++) {
		sb_reset(&b);
		for (size_t c = 0; c < ncols; c++) {
			const char *s = r == 0 ? cols[c].header : cell[(r - 1) * ncols + c];
			int pad = cols[c].width - (int)strlen(s);

			if (c > 0)
				sb_putc(&b, ' ');
			for (; !cols[c].key->left && pad > 0; pad--)
				sb_putc(&b, ' ');
			sb_puts(&b, s);
			for (; cols[c].key->left && pad > 0 && c + 1 < ncols; pad--)
				sb_putc(&b, ' ');
		}
		printf("%.*s\n", width > 0 && (size_t)width < b.len ? width : (int)b.len, b.s);
	}
}

int
ps_main(int argc, char **argv)
{
	static const char text[] = "ps [-AaCcHhjlmrSTuvwx] [-O | -o fmt] [-p pid[,pid]] [-t tty] [-U user]\n       ps [-L]";
	bool all = false, no_tty = false;
	char format = 0;
	const char *insert = NULL;
	struct kinfo_proc *v;
	size_t n, kept = 0;
	struct winsize ws;
	int ch, width = 0, wide = 0;

	/* The historical form: options without a dash. */
	if (argc > 1 && argv[1][0] != '-' && argv[1][0] != '\0') {
		char *dashed = xmalloc(strlen(argv[1]) + 2);

		dashed[0] = '-';
		strcpy(dashed + 1, argv[1]);
		argv[1] = dashed;
	}
	while ((ch = getopt(argc, argv, "AaCcefHhjLlM:mN:O:o:p:RrSTt:U:uvwx")) != -1) {
		switch (ch) {
		case 'A': all = no_tty = true; break;
		case 'a': all = true; break;
		case 'c': cflag = true; break;
		case 'C':
		case 'e':
		case 'f':
		case 'h':
		case 'R':
		case 'S': break;
		case 'H': Hflag = true; break;
		case 'j':
		case 'l':
		case 'u': format = (char)ch; break;
		case 'v': format = 'v'; order = 'm'; break;
		case 'L':
			for (size_t i = 0; i < NELEM(keys); i++)
				printf("%s%s", keys[i].name, i % 10 == 9 || i + 1 == NELEM(keys) ? "\n" : " ");
			return finish(0);
		case 'm': order = 'm'; break;
		case 'r': order = 'r'; break;
		case 'O': insert = optarg; break;
		case 'o': add_columns(optarg); format = 'o'; break;
		case 'p': add_list(&pids, optarg, 'p'); break;
		case 'T':
			if (!isatty(STDIN_FILENO))
				errx(1, "stdin: not a terminal");
			/* FALLTHROUGH */
		case 't': add_list(&ttys, ch == 'T' ? ttyname(STDIN_FILENO) : optarg, 't'); break;
		case 'U': add_list(&uids, optarg, 'U'); break;
		case 'w': wide++; break;
		case 'x': no_tty = true; break;
		case 'M':
		case 'N': errx(1, "-%c: core files are not supported", ch);
		default: usage(1, text);
		}
	}
	if (optind < argc) {
		if (argc - optind > 1 || !isdigit((unsigned char)argv[optind][0]))
			usage(1, text);
		add_list(&pids, argv[optind], 'p');
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 && wide < 2)
		width = wide == 1 && ws.ws_col < 131 ? 131 : ws.ws_col;
	switch (format) {
	case 'j': add_columns("user pid ppid pgid sess jobc stat tt time command"); break;
	case 'l': add_columns("uid pid ppid cpu pri ni vsz rss wchan stat tt time command"); break;
	case 'u': add_columns("user pid %cpu %mem vsz rss tt stat start time command"); order = order ? order : 'r'; break;
	case 'v': add_columns("pid stat time sl majflt vsz rss tsiz %cpu %mem command"); break;
	case 'o': break;
	default:
		add_columns("pid");
		if (insert != NULL)
			add_columns(insert);
		add_columns("tt stat time command");
	}
	if (pids.n > 0 || ttys.n > 0 || uids.n > 0)
		all = no_tty = true;
	v = proc_list(KERN_PROC_ALL | (Hflag ? KERN_PROC_FLAG_LWP : 0), 0, &n);
	for (size_t i = 0; i < n; i++) {
		const struct kinfo_proc *k = &v[i];
		bool listed = pids.n == 0 && ttys.n == 0 && uids.n == 0;

		if (!listed && !in_list(&pids, k->kp_pid) && !in_list(&uids, k->kp_uid) &&
		    !((k->kp_flags & P_CONTROLT) && in_list(&ttys, k->kp_tdev)))
			continue;
		if ((!all && k->kp_uid != geteuid()) || (!no_tty && !(k->kp_flags & P_CONTROLT)))
			continue;
		v[kept++] = *k;
	}
	if (kept > 1)
		qsort(v, kept, sizeof(*v), compare);
	print_all(v, kept, width);
	return finish(kept == 0);
}
