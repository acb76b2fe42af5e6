/* Functions over system calls whose C signature differs from the kernel's: files, ids, limits, terminals. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "libc_private.h"

int
open(const char *path, int flags, ...)
{
	int mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	return (__sys_open(path, flags, mode));
}

int
openat(int fd, const char *path, int flags, ...)
{
	int mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	return (__sys_openat(fd, path, flags, mode));
}

int
creat(const char *path, mode_t mode)
{
	return (__sys_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
}

int
fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (__sys_fcntl(fd, cmd, arg));
}

int
dup3(int from, int to, int flags)
{
	if (from == to || (flags & ~O_CLOEXEC) != 0) {
		errno = EINVAL;
		return (-1);
	}
	return (fcntl(from, flags & O_CLOEXEC ? F_DUP2FD_CLOEXEC : F_DUP2FD, to));
}

pid_t
fork(void)
{
	return (__sys_fork());
}

ssize_t
pread(int fd, void *p, size_t n, off_t off)
{
	if (off < 0) {
		errno = EINVAL;
		return (-1);
	}
	return (__sys_extpread(fd, p, n, 0, off));
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	if (off < 0) {
		errno = EINVAL;
		return (-1);
	}
	return (__sys_extpwrite(fd, p, n, 0, off));
}

ssize_t __sys_extpreadv(int, const struct iovec *, int, int, off_t);
ssize_t __sys_extpwritev(int, const struct iovec *, int, int, off_t);

ssize_t
preadv(int fd, const struct iovec *iov, int n, off_t off)
{
	return (__sys_extpreadv(fd, iov, n, 0, off));
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	return (__sys_extpwritev(fd, iov, n, 0, off));
}

int
posix_fadvise(int fd, off_t off, off_t len, int advice)
{
	(void)off;
	(void)len;
	if (advice < 0 || advice > POSIX_FADV_NOREUSE)
		return (EINVAL);
	return (fcntl(fd, F_GETFD) < 0 ? errno : 0);
}

int
posix_madvise(void *p, size_t n, int advice)
{
	extern int madvise(void *, size_t, int);

	return (madvise(p, n, advice) < 0 ? errno : 0);
}

int
lockf(int fd, int how, off_t len)
{
	struct flock fl = { .l_whence = SEEK_CUR, .l_len = len, .l_type = F_WRLCK };

	switch (how) {
	case F_ULOCK:
		fl.l_type = F_UNLCK;
		return (fcntl(fd, F_SETLK, &fl));
	case F_LOCK:
		return (fcntl(fd, F_SETLKW, &fl));
	case F_TLOCK:
		return (fcntl(fd, F_SETLK, &fl));
	case F_TEST:
		if (fcntl(fd, F_GETLK, &fl) < 0)
			return (-1);
		if (fl.l_type == F_UNLCK || fl.l_pid == getpid())
			return (0);
		errno = EAGAIN;
		return (-1);
	}
	errno = EINVAL;
	return (-1);
}

char *
getcwd(char *buf, size_t size)
{
	char path[PATH_MAX];

	if (buf != NULL && size == 0) {
		errno = EINVAL;
		return (NULL);
	}
	if (buf != NULL)
		return (__sys___getcwd(buf, size) < 0 ? NULL : buf);
	return (__sys___getcwd(path, sizeof(path)) < 0 ? NULL : strdup(path));
}

char *
getwd(char *buf)
{
	return (getcwd(buf, PATH_MAX));
}

char *
realpath(const char *__restrict path, char *__restrict out)
{
	char buf[PATH_MAX];
	ssize_t n;

	if (path == NULL) {
		errno = EINVAL;
		return (NULL);
	}
	if (*path == '\0') {
		errno = ENOENT;
		return (NULL);
	}
	n = __sys___realpath(path, buf, sizeof(buf));
	if (n < 0)
		return (NULL);
	return (out != NULL ? memcpy(out, buf, (size_t)n + 1) : strdup(buf));
}

int
remove(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return (-1);
	return (S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path));
}

void *
sbrk(intptr_t incr)
{
	return (__sys_sbrk(incr));
}

int
brk(const void *addr)
{
	char *now = __sys_sbrk(0);

	if (now == (char *)-1)
		return (-1);
	if ((const char *)addr <= now)
		return (0);
	return (__sys_sbrk((const char *)addr - now) == (void *)-1 ? -1 : 0);
}

int
getpagesize(void)
{
	return (PAGE_SIZE);
}

int
getpriority(int which, int who)
{
	/* The kernel's int comes zero-extended; the stub returned it as an int already. */
	return (__sys_getpriority(which, who));
}

int
nice(int incr)
{
	int now;

	errno = 0;
	now = getpriority(PRIO_PROCESS, 0);
	if (now == -1 && errno != 0)
		return (-1);
	if (setpriority(PRIO_PROCESS, 0, now + incr) < 0) {
		if (errno == EACCES)
			errno = EPERM;
		return (-1);
	}
	return (getpriority(PRIO_PROCESS, 0));
}

int
killpg(pid_t pgrp, int sig)
{
	if (pgrp == 1) {
		errno = ESRCH;
		return (-1);
	}
	return (kill(-pgrp, sig));
}

int
setpgrp(pid_t pid, pid_t pgid)
{
	return (setpgid(pid, pgid));
}

pid_t
wait(int *status)
{
	return (wait4(-1, status, 0, NULL));
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	return (wait4(pid, status, options, NULL));
}

pid_t
wait3(int *status, int options, struct rusage *ru)
{
	return (wait4(-1, status, options, ru));
}

int
waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	int status;
	pid_t pid = wait6(type, id, &status, options, NULL, info);

	if (pid == 0 && info != NULL) {
		info->si_pid = 0;
		info->si_signo = 0;
	}
	return (pid < 0 ? -1 : 0);
}

ssize_t
recv(int s, void *p, size_t n, int flags)
{
	return (recvfrom(s, p, n, flags, NULL, NULL));
}

ssize_t
send(int s, const void *p, size_t n, int flags)
{
	return (sendto(s, p, n, flags, NULL, 0));
}

int
utime(const char *path, const struct utimbuf *ut)
{
	struct timeval tv[2];

	if (ut == NULL)
		return (utimes(path, NULL));
	tv[0].tv_sec = ut->actime;
	tv[1].tv_sec = ut->modtime;
	tv[0].tv_usec = tv[1].tv_usec = 0;
	return (utimes(path, tv));
}

/* The login name is per session and hardly changes: ask once. */
char *
getlogin(void)
{
	static char name[MAXLOGNAME];

	if (__sys_getlogin(name, sizeof(name)) < 0 || name[0] == '\0')
		return (NULL);
	return (name);
}

int
getlogin_r(char *buf, int size)
{
	char *name = getlogin();

	if (name == NULL)
		return (ENOENT);
	return (strlcpy(buf, name, (size_t)size) >= (size_t)size ? ERANGE : 0);
}

/* sysctl and what is made of it. */

int
sysctl(const int *name, unsigned int namelen, void *old, size_t *oldlen, const void *new, size_t newlen)
{
	return (__sys___sysctl(name, namelen, old, oldlen, new, newlen));
}

int
sysctlnametomib(const char *name, int *mib, size_t *count)
{
	int query[2] = { 0, 3 };
	size_t bytes = *count * sizeof(int);

	if (sysctl(query, 2, mib, &bytes, name, strlen(name)) < 0)
		return (-1);
	*count = bytes / sizeof(int);
	return (0);
}

int
sysctlbyname(const char *name, void *old, size_t *oldlen, const void *new, size_t newlen)
{
	int mib[CTL_MAXNAME + 2];
	size_t n = CTL_MAXNAME;

	if (sysctlnametomib(name, mib, &n) < 0)
		return (-1);
	return (sysctl(mib, (unsigned)n, old, oldlen, new, newlen));
}

static int
sysctl_string(int a, int b, char *out, size_t size)
{
	int mib[2] = { a, b };
	size_t n = size;

	if (sysctl(mib, 2, out, &n, NULL, 0) < 0 && errno != ENOMEM)
		return (-1);
	out[size - 1] = '\0';
	return (0);
}

static long
sysctl_int(int a, int b, long fallback)
{
	int mib[2] = { a, b };
	long v = 0;
	size_t n = sizeof(v);

	if (sysctl(mib, 2, &v, &n, NULL, 0) < 0)
		return (fallback);
	return (n == sizeof(int) ? (int)v : v);
}

int
gethostname(char *buf, size_t size)
{
	return (sysctl_string(CTL_KERN, KERN_HOSTNAME, buf, size));
}

int
sethostname(const char *name, int n)
{
	int mib[2] = { CTL_KERN, KERN_HOSTNAME };

	return (sysctl(mib, 2, NULL, NULL, name, (size_t)n));
}

int
getdomainname(char *buf, int size)
{
	return (sysctl_string(CTL_KERN, KERN_NISDOMAINNAME, buf, (size_t)size));
}

int
setdomainname(const char *name, int n)
{
	int mib[2] = { CTL_KERN, KERN_NISDOMAINNAME };

	return (sysctl(mib, 2, NULL, NULL, name, (size_t)n));
}

long
gethostid(void)
{
	return (sysctl_int(CTL_KERN, KERN_HOSTID, -1));
}

int
uname(struct utsname *u)
{
	memset(u, 0, sizeof(*u));
	if (sysctl_string(CTL_KERN, KERN_OSTYPE, u->sysname, sizeof(u->sysname)) < 0 ||
	    sysctl_string(CTL_KERN, KERN_HOSTNAME, u->nodename, sizeof(u->nodename)) < 0 ||
	    sysctl_string(CTL_KERN, KERN_OSRELEASE, u->release, sizeof(u->release)) < 0 ||
	    sysctl_string(CTL_KERN, KERN_VERSION, u->version, sizeof(u->version)) < 0 ||
	    sysctl_string(CTL_HW, HW_MACHINE, u->machine, sizeof(u->machine)) < 0)
		return (-1);
	/* The version has lines; the field is one. */
	for (char *p = u->version; *p != '\0'; p++)
		if (*p == '\n' || *p == '\t')
			*p = p[1] == '\0' ? '\0' : ' ';
	return (0);
}

int
getloadavg(double out[], int n)
{
	int mib[2] = { CTL_VM, VM_LOADAVG };
	struct loadavg la;
	size_t size = sizeof(la);

	if (sysctl(mib, 2, &la, &size, NULL, 0) < 0)
		return (-1);
	if (n > 3)
		n = 3;
	for (int i = 0; i < n; i++)
		out[i] = (double)la.ldavg[i] / (double)la.fscale;
	return (n);
}

char *
devname_r(dev_t dev, mode_t type, char *buf, size_t size)
{
	size_t n = size;

	(void)type;
	if (sysctlbyname("kern.devname", buf, &n, &dev, sizeof(dev)) == 0 && n > 0)
		return (buf);
	snprintf(buf, size, "#%c:%d:0x%x", S_ISBLK(type) ? 'B' : 'C', major(dev), (unsigned)minor(dev));
	return (buf);
}

char *
devname(dev_t dev, mode_t type)
{
	static char buf[256];

	return (dev == NODEV ? NULL : devname_r(dev, type, buf, sizeof(buf)));
}

long
sysconf(int name)
{
	struct rlimit rl;

	switch (name) {
	case _SC_ARG_MAX:
		return (sysctl_int(CTL_KERN, KERN_ARGMAX, ARG_MAX));
	case _SC_CHILD_MAX:
		return (getrlimit(RLIMIT_NPROC, &rl) < 0 ? -1 : rl.rlim_cur == RLIM_INFINITY ? -1 : rl.rlim_cur);
	case _SC_CLK_TCK:
		return (CLK_TCK);
	case _SC_NGROUPS_MAX:
		return (NGROUPS_MAX);
	case _SC_OPEN_MAX:
	case _SC_STREAM_MAX:
		return (getrlimit(RLIMIT_NOFILE, &rl) < 0 ? -1 : rl.rlim_cur == RLIM_INFINITY ? -1 : rl.rlim_cur);
	case _SC_JOB_CONTROL:
	case _SC_SAVED_IDS:
		return (1);
	case _SC_VERSION:
		return (_POSIX_VERSION);
	case _SC_2_VERSION:
		return (_POSIX2_VERSION);
	case _SC_BC_BASE_MAX:
		return (BC_BASE_MAX);
	case _SC_BC_DIM_MAX:
		return (BC_DIM_MAX);
	case _SC_BC_SCALE_MAX:
		return (BC_SCALE_MAX);
	case _SC_BC_STRING_MAX:
		return (BC_STRING_MAX);
	case _SC_COLL_WEIGHTS_MAX:
		return (COLL_WEIGHTS_MAX);
	case _SC_EXPR_NEST_MAX:
		return (EXPR_NEST_MAX);
	case _SC_LINE_MAX:
		return (LINE_MAX);
	case _SC_RE_DUP_MAX:
		return (RE_DUP_MAX);
	case _SC_TZNAME_MAX:
		return (255);
	case _SC_PAGESIZE:
		return (PAGE_SIZE);
	case _SC_IOV_MAX:
		return (IOV_MAX);
	case _SC_NPROCESSORS_CONF:
	case _SC_NPROCESSORS_ONLN:
		return (sysctl_int(CTL_HW, HW_NCPU, 1));
	case _SC_GETGR_R_SIZE_MAX:
	case _SC_GETPW_R_SIZE_MAX:
		return (4096);
	case _SC_HOST_NAME_MAX:
		return (255);
	case _SC_LOGIN_NAME_MAX:
		return (MAXLOGNAME);
	case _SC_MONOTONIC_CLOCK:
		return (200112L);
	case _SC_SYMLOOP_MAX:
		return (MAXSYMLINKS);
	case _SC_PHYS_PAGES:
		return (sysctl_int(CTL_HW, HW_PHYSMEM, -1) / PAGE_SIZE);
	}
	errno = EINVAL;
	return (-1);
}

size_t
confstr(int name, char *buf, size_t size)
{
	if (name != _CS_PATH) {
		errno = EINVAL;
		return (0);
	}
	if (buf != NULL && size > 0)
		strlcpy(buf, _PATH_STDPATH, size);
	return (sizeof(_PATH_STDPATH));
}

/* Terminals. */

int
isatty(int fd)
{
	struct termios t;

	return (tcgetattr(fd, &t) == 0);
}

int
tcgetattr(int fd, struct termios *t)
{
	return (ioctl(fd, TIOCGETA, t));
}

int
tcsetattr(int fd, int how, const struct termios *t)
{
	switch (how & ~TCSASOFT) {
	case TCSANOW:
		return (ioctl(fd, TIOCSETA, t));
	case TCSADRAIN:
		return (ioctl(fd, TIOCSETAW, t));
	case TCSAFLUSH:
		return (ioctl(fd, TIOCSETAF, t));
	}
	errno = EINVAL;
	return (-1);
}

pid_t
tcgetpgrp(int fd)
{
	int pgrp;

	return (ioctl(fd, TIOCGPGRP, &pgrp) < 0 ? -1 : pgrp);
}

int
tcsetpgrp(int fd, pid_t pgrp)
{
	int v = pgrp;

	return (ioctl(fd, TIOCSPGRP, &v));
}

pid_t
tcgetsid(int fd)
{
	int sid;

	return (ioctl(fd, TIOCGSID, &sid) < 0 ? -1 : sid);
}

int
tcdrain(int fd)
{
	return (ioctl(fd, TIOCDRAIN, 0));
}

int
tcflush(int fd, int which)
{
	int how;

	switch (which) {
	case TCIFLUSH:
		how = 1;
		break;
	case TCOFLUSH:
		how = 2;
		break;
	case TCIOFLUSH:
		how = 0;
		break;
	default:
		errno = EINVAL;
		return (-1);
	}
	return (ioctl(fd, TIOCFLUSH, &how));
}

int
tcflow(int fd, int action)
{
	struct termios t;
	unsigned char c;

	switch (action) {
	case TCOOFF:
		return (ioctl(fd, TIOCSTOP, 0));
	case TCOON:
		return (ioctl(fd, TIOCSTART, 0));
	case TCIOFF:
	case TCION:
		if (tcgetattr(fd, &t) < 0)
			return (-1);
		c = t.c_cc[action == TCIOFF ? VSTOP : VSTART];
		return (c != _POSIX_VDISABLE && write(fd, &c, 1) < 0 ? -1 : 0);
	}
	errno = EINVAL;
	return (-1);
}

int
tcsendbreak(int fd, int len)
{
	(void)len;
	if (ioctl(fd, TIOCSBRK, 0) < 0)
		return (-1);
	usleep(400000);
	return (ioctl(fd, TIOCCBRK, 0));
}

speed_t
cfgetispeed(const struct termios *t)
{
	return (t->c_ispeed);
}

speed_t
cfgetospeed(const struct termios *t)
{
	return (t->c_ospeed);
}

int
cfsetispeed(struct termios *t, speed_t s)
{
	t->c_ispeed = s;
	return (0);
}

int
cfsetospeed(struct termios *t, speed_t s)
{
	t->c_ospeed = s;
	return (0);
}

int
cfsetspeed(struct termios *t, speed_t s)
{
	t->c_ispeed = t->c_ospeed = s;
	return (0);
}

void
cfmakeraw(struct termios *t)
{
	t->c_iflag &= ~(unsigned)(IMAXBEL | IXOFF | INPCK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IGNPAR);
	t->c_iflag |= IGNBRK;
	t->c_oflag &= ~(unsigned)OPOST;
	t->c_lflag &= ~(unsigned)(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG | IEXTEN | NOFLSH | TOSTOP | PENDIN);
	t->c_cflag &= ~(unsigned)(CSIZE | PARENB);
	t->c_cflag |= CS8 | CREAD;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

int
ttyname_r(int fd, char *buf, size_t size)
{
	char name[256];
	struct fiodname_args args = { name, sizeof(name) };
	struct stat st;

	if (!isatty(fd))
		return (ENOTTY);
	if (ioctl(fd, FIODNAME, &args) < 0) {
		if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
			return (ENOTTY);
		devname_r(st.st_rdev, S_IFCHR, name, sizeof(name));
	}
	if ((size_t)snprintf(buf, size, "%s%s", _PATH_DEV, name) >= size)
		return (ERANGE);
	return (0);
}

char *
ttyname(int fd)
{
	static char buf[128];
	int error = ttyname_r(fd, buf, sizeof(buf));

	if (error != 0) {
		errno = error;
		return (NULL);
	}
	return (buf);
}

char *
ctermid(char *buf)
{
	static char own[] = _PATH_TTY;

	return (buf != NULL ? strcpy(buf, own) : own);
}

int
login_tty(int fd)
{
	setsid();
	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return (-1);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	return (0);
}

int
daemon(int nochdir, int noclose)
{
	int fd;

	switch (fork()) {
	case -1:
		return (-1);
	case 0:
		break;
	default:
		_exit(0);
	}
	if (setsid() < 0)
		return (-1);
	if (!nochdir)
		(void)chdir("/");
	if (!noclose && (fd = open(_PATH_DEVNULL, O_RDWR)) >= 0) {
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		if (fd > 2)
			close(fd);
	}
	return (0);
}

int
getmntinfo(struct statfs **out, int flags)
{
	static struct statfs *buf;
	static int room;
	int n = getfsstat(NULL, 0, MNT_NOWAIT);

	if (n <= 0)
		return (0);
	do {
		if (n + 4 > room) {
			struct statfs *p = realloc(buf, (size_t)(n + 4) * sizeof(*buf));

			if (p == NULL)
				return (0);
			buf = p;
			room = n + 4;
		}
		n = getfsstat(buf, (long)((size_t)room * sizeof(*buf)), flags);
		if (n < 0)
			return (0);
	} while (n >= room);
	*out = buf;
	return (n);
}

int
getvfsbyname(const char *name, struct vfsconf *out)
{
	int mib[4] = { CTL_VFS, VFS_GENERIC, VFS_MAXTYPENUM, 0 }, max;
	size_t n = sizeof(max);

	if (sysctl(mib, 3, &max, &n, NULL, 0) < 0)
		return (-1);
	mib[2] = VFS_CONF;
	for (int i = 0; i < max; i++) {
		mib[3] = i;
		n = sizeof(*out);
		if (sysctl(mib, 4, out, &n, NULL, 0) == 0 && strcmp(out->vfc_name, name) == 0)
			return (0);
	}
	errno = ENOENT;
	return (-1);
}
