/*
 * Process records of sysctl kern.proc.*, for ps, top and pkill.
 */
#include "proclist.h"

#include <sys/param.h>

struct kinfo_proc *
proc_list(int op, int arg, size_t *count)
{
	int mib[4] = { CTL_KERN, KERN_PROC, op, arg };
	unsigned n = (op & ~KERN_PROC_FLAGMASK) == KERN_PROC_ALL ? 3 : 4;
	struct kinfo_proc *v = NULL;
	size_t len;

	*count = 0;
	/* Processes come and go between the two calls: try again with what it takes then. */
	for (int tries = 0; tries < 8; tries++) {
		if (sysctl(mib, n, NULL, &len, NULL, 0) != 0) {
			if (errno == ESRCH)
				return NULL;
			err(1, "sysctl kern.proc");
		}
		len += 8 * sizeof(*v);
		v = xrealloc(v, len);
		if (sysctl(mib, n, v, &len, NULL, 0) == 0) {
			*count = len / sizeof(*v);
			return v;
		}
		if (errno == ESRCH)
			return NULL;
		if (errno != ENOMEM)
			break;
	}
	err(1, "sysctl kern.proc");
}

const char *
proc_args(const struct kinfo_proc *k)
{
	static struct sbuf b;
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, k->kp_pid };
	static char buf[65536];
	size_t len = sizeof(buf) - 1;

	sb_reset(&b);
	if (k->kp_stat == SZOMB) {
		sb_puts(&b, "<defunct>");
		return b.s;
	}
	if (k->kp_pid <= 0 || sysctl(mib, 4, buf, &len, NULL, 0) != 0 || len == 0) {
		sb_putc(&b, '(');
		sb_puts(&b, k->kp_comm);
		sb_putc(&b, ')');
		return b.s;
	}
	buf[len] = '\0';
	for (size_t i = 0; i < len; i += strlen(buf + i) + 1) {
		if (i > 0)
			sb_putc(&b, ' ');
		/* What would upset the terminal is shown as the shell would write it. */
		for (const char *p = buf + i; *p != '\0'; p++)
			if ((unsigned char)*p < 32 || *p == 127) {
				char esc[8];

				snprintf(esc, sizeof(esc), "\\%03o", (unsigned char)*p);
				sb_puts(&b, esc);
			} else
				sb_putc(&b, *p);
	}
	return b.s;
}

const char *
proc_tty(dev_t dev)
{
	static char name[64];
	size_t len = sizeof(name) - 1;

	if (dev == (dev_t)-1 || dev == 0)
		return "??";
	if (sysctlbyname("kern.devname", name, &len, &dev, sizeof(dev)) != 0 || len == 0) {
		snprintf(name, sizeof(name), "%u/%u", major(dev), minor(dev));
		return name;
	}
	name[len] = '\0';
	if (strncmp(name, "tty", 3) == 0)
		return name + 3;
	if (strcmp(name, "console") == 0)
		return "con";
	return name;
}

/* lwp_flags: the sleep can be broken by a signal. */
#define LWP_SINTR 0x0008

const char *
proc_stat(const struct kinfo_proc *k)
{
	static char buf[16];
	char *p = buf;

	if (k->kp_stat == SZOMB)
		*p++ = 'Z';
	else if (k->kp_stat == SSTOP || k->kp_lwp.kl_stat == LSSTOP)
		*p++ = 'T';
	else if (k->kp_stat == SIDL)
		*p++ = 'I';
	else if (k->kp_lwp.kl_stat == LSRUN) {
		*p++ = 'R';
		if (k->kp_lwp.kl_cpuid >= 0 && k->kp_lwp.kl_cpuid < 1000)
			p += sprintf(p, "%d", k->kp_lwp.kl_cpuid);
	} else if (k->kp_lwp.kl_stat == LSSLEEP) {
		if (!(k->kp_lwp.kl_flags & LWP_SINTR))
			*p++ = 'D';
		else
			*p++ = k->kp_lwp.kl_slptime >= 20 ? 'I' : 'S';
	} else
		*p++ = '?';
	if (k->kp_nice < 0)
		*p++ = '<';
	else if (k->kp_nice > 0)
		*p++ = 'N';
	if (k->kp_flags & P_TRACED)
		*p++ = 'X';
	if (k->kp_flags & P_WEXIT && k->kp_stat != SZOMB)
		*p++ = 'E';
	if (k->kp_flags & P_PPWAIT)
		*p++ = 'V';
	if (k->kp_auxflags & KI_SLEADER)
		*p++ = 's';
	if ((k->kp_flags & P_CONTROLT) && k->kp_pgid == k->kp_tpgid)
		*p++ = '+';
	if (k->kp_flags & P_JAILED)
		*p++ = 'J';
	*p = '\0';
	return buf;
}

uint64_t
proc_time(const struct kinfo_proc *k)
{
	return k->kp_lwp.kl_uticks + k->kp_lwp.kl_sticks + k->kp_lwp.kl_iticks;
}
