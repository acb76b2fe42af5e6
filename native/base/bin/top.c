/*
 * top [-bn] [-d count] [-s seconds] [-o cpu|res|size|time|pid] [number]: the busiest processes, again and again.
 * Counterpart: usr.bin/top. On a terminal q or ^C ends it, and any other key shows the next display at once.
 */
#include "proclist.h"

#include <sys/param.h>
#include <sys/select.h>
#include <termios.h>

struct vmstats_view {
	uint32_t page_size, unused;
	int64_t page_count, reserved[15];
	int64_t free_count, wire_count, active_count, inactive_count, cache_count, dma_avail, tail[9];
};
_Static_assert(sizeof(struct vmstats_view) == 256, "vm.vmstats");

static struct termios saved;
static bool raw;
static const char *order = "cpu";

static void
restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

static void
on_signal(int sig)
{
	restore();
	_exit(sig == SIGINT ? 0 : 128 + sig);
}

static int
compare(const void *pa, const void *pb)
{
	const struct kinfo_proc *a = pa, *b = pb;
	uint64_t x, y;

	switch (order[0]) {
	case 'r': x = (uint64_t)a->kp_vm_rssize; y = (uint64_t)b->kp_vm_rssize; break;
	case 's': x = a->kp_vm_map_size; y = b->kp_vm_map_size; break;
	case 't': x = proc_time(a); y = proc_time(b); break;
	case 'p': x = y = 0; break;
	default:
		x = a->kp_lwp.kl_pctcpu;
		y = b->kp_lwp.kl_pctcpu;
		if (x == y) {
			x = proc_time(a);
			y = proc_time(b);
		}
	}
	return x != y ? (x < y ? 1 : -1) : a->kp_pid < b->kp_pid ? -1 : a->kp_pid > b->kp_pid;
}

static uint64_t
read_cpu(struct kinfo_cputime *sum)
{
	static struct kinfo_cputime v[256];
	size_t len = sizeof(v);

	memset(sum, 0, sizeof(*sum));
	if (sysctlbyname("kern.cputime", v, &len, NULL, 0) != 0)
		return 0;
	for (size_t i = 0; i < len / sizeof(v[0]); i++) {
		sum->cp_user += v[i].cp_user;
		sum->cp_nice += v[i].cp_nice;
		sum->cp_sys += v[i].cp_sys;
		sum->cp_intr += v[i].cp_intr;
		sum->cp_idle += v[i].cp_idle;
	}
	return sum->cp_user + sum->cp_nice + sum->cp_sys + sum->cp_intr + sum->cp_idle;
}

static void
head(const struct kinfo_proc *v, size_t n)
{
	static struct kinfo_cputime prev;
	static uint64_t prev_total;
	struct kinfo_cputime now;
	uint64_t total = read_cpu(&now), d = total - prev_total;
	struct vmstats_view vm;
	double load[3] = { 0, 0, 0 };
	size_t run = 0, sleep = 0, stop = 0, zombie = 0, len = sizeof(vm);
	char buf[5][16], when[32];
	time_t t = time(NULL);

	for (size_t i = 0; i < n; i++) {
		char c = proc_stat(&v[i])[0];

		run += c == 'R';
		sleep += c == 'S' || c == 'I' || c == 'D';
		stop += c == 'T';
		zombie += c == 'Z';
	}
	(void)getloadavg(load, 3);
	strftime(when, sizeof(when), "%H:%M:%S", localtime(&t));
	printf("load averages: %5.2f, %5.2f, %5.2f    %s\n", load[0], load[1], load[2], when);
	printf("%zu processes: %zu running, %zu sleeping, %zu stopped, %zu zombie\n", n, run, sleep, stop, zombie);
	if (d > 0)
		printf("CPU states: %5.1f%% user, %5.1f%% nice, %5.1f%% system, %5.1f%% interrupt, %5.1f%% idle\n",
		    100.0 * (double)(now.cp_user - prev.cp_user) / (double)d, 100.0 * (double)(now.cp_nice - prev.cp_nice) / (double)d,
		    100.0 * (double)(now.cp_sys - prev.cp_sys) / (double)d, 100.0 * (double)(now.cp_intr - prev.cp_intr) / (double)d,
		    100.0 * (double)(now.cp_idle - prev.cp_idle) / (double)d);
	prev = now;
	prev_total = total;
	if (sysctlbyname("vm.vmstats", &vm, &len, NULL, 0) == 0 && len >= sizeof(vm)) {
		const int64_t pages[] = { vm.active_count, vm.inactive_count, vm.wire_count, vm.cache_count, vm.free_count };

		for (int i = 0; i < 5; i++)
			humanize(buf[i], sizeof(buf[i]), pages[i] * PAGE_SIZE, false);
		printf("Memory: %s Active, %s Inact, %s Wired, %s Cache, %s Free\n", buf[0], buf[1], buf[2], buf[3], buf[4]);
	}
	putchar('\n');
}

static void
display(long long limit)
{
	size_t n;
	struct kinfo_proc *v = proc_list(KERN_PROC_ALL, 0, &n);

	head(v, n);
	if (n > 1)
		qsort(v, n, sizeof(*v), compare);
	printf("%6s %-8s %4s %3s %7s %7s %-6s %9s %6s %s\n", "PID", "USERNAME", "PRI", "NI", "SIZE", "RES", "STATE", "TIME", "CPU",
	    "COMMAND");
	for (size_t i = 0; i < n && (long long)i < limit; i++) {
		const struct kinfo_proc *k = &v[i];
		uint64_t cs = proc_time(k) / 10000;
		char size[16], res[16], state[16], when[24];

		humanize(size, sizeof(size), (long long)k->kp_vm_map_size, false);
		humanize(res, sizeof(res), (long long)k->kp_vm_rssize * PAGE_SIZE, false);
		if (k->kp_lwp.kl_stat == LSSLEEP && k->kp_lwp.kl_wmesg[0] != '\0' && k->kp_stat == SACTIVE)
			snprintf(state, sizeof(state), "%.6s", k->kp_lwp.kl_wmesg);
		else
			snprintf(state, sizeof(state), "%.6s", k->kp_stat == SZOMB ? "zomb" : k->kp_stat == SSTOP ? "stop" : "run");
		snprintf(when, sizeof(when), "%llu:%02llu.%02llu", (unsigned long long)(cs / 6000), (unsigned long long)(cs / 100 % 60),
		    (unsigned long long)(cs % 100));
		printf("%6d %-8.8s %4d %3d %7s %7s %-6s %9s %5.2f%% %s\n", (int)k->kp_pid, user_name(k->kp_uid), k->kp_lwp.kl_prio,
		    k->kp_nice, size, res, state, when, 100.0 * k->kp_lwp.kl_pctcpu / FSCALE, k->kp_comm);
	}
	free(v);
}

/* Sleeps, or until a key is pressed; false: quit. */
static bool
pause_for(double seconds)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };
	fd_set set;
	char c;

	tv.tv_usec = (suseconds_t)((seconds - (double)tv.tv_sec) * 1e6);
	FD_ZERO(&set);
	if (raw)
		FD_SET(STDIN_FILENO, &set);
	if (select(raw ? STDIN_FILENO + 1 : 0, &set, NULL, NULL, &tv) > 0)
		return read(STDIN_FILENO, &c, 1) == 1 && c != 'q' && c != 3;
	return true;
}

int
top_main(int argc, char **argv)
{
	static const char text[] = "top [-bn] [-d count] [-s time] [-o field] [number]";
	bool tty = isatty(STDOUT_FILENO), batch = !tty;
	long long displays = -1, limit = LLONG_MAX;
	double seconds = 2;
	struct termios t;
	int ch;

	while ((ch = getopt(argc, argv, "bd:no:s:")) != -1) {
		switch (ch) {
		case 'b':
		case 'n': batch = true; break;
		case 'd': displays = parse_num(optarg, 1, INT_MAX, "warning: display count should be positive"); break;
		case 'o':
			order = optarg;
			if (strchr("crstp", *order) == NULL || *order == '\0')
				errx(1, "%s: unrecognized sorting order", optarg);
			break;
		case 's':
			seconds = strtod(optarg, NULL);
			if (!(seconds > 0))
				errx(1, "warning: seconds delay should be positive");
			break;
		default: usage(1, text);
		}
	}
	if (optind < argc)
		limit = parse_num(argv[optind], 1, INT_MAX, "number");
	if (batch && displays < 0)
		displays = 1;
	if (!batch && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0) {
		t = saved;
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		atexit(restore);
		raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
	}
	for (long long i = 0; displays < 0 || i < displays; i++) {
		long long rows = batch ? LLONG_MAX : term_rows() - 7;

		if (i > 0 && !pause_for(seconds))
			break;
		if (!batch)
			fputs("\033[H\033[2J", stdout);
		display(limit < rows ? limit : rows);
		fflush(stdout);
	}
	return finish(0);
}
