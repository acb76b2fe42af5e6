/* linuxcalls PATH: every call number with arguments that would make a Linux kernel do something to the host's PATH. */
#include "hostile.h"

int
main(int argc, char **argv)
{
	const char *path = argv[argc - 1];
	char *const args[] = { "/bin/sh", "-c", "echo hacked", NULL };
	struct progress { volatile int nr, variant; } *p = shared_page();
	int restarts = 0;

	while (p->nr <= 600) {
		pid_t pid = fork();

		if (pid == 0) {
			setsid();
			signal(SIGSYS, SIG_IGN);
			while (p->nr <= 600) {
				uint64_t v[4][6] = {
					{ (uint64_t)path, 0102, 0755, 0, 0, 0 }, /* open, mkdir, creat, unlink, chmod */
					{ (uint64_t)path, (uint64_t)args, 0, 0, 0, 0 }, /* execve */
					{ (uint64_t)-100, (uint64_t)path, 0102, 0755, 0, 0 }, /* openat, mkdirat, unlinkat */
					{ (uint64_t)path, (uint64_t)"/tmp/hostile-linux", 0, 0, 0, 0 }, /* rename, link, symlink */
				};
				int nr = p->nr, variant = p->variant;
				pid_t me = getpid();

				p->variant = variant + 1;
				if (variant >= 3) {
					p->variant = 0;
					p->nr = nr + 1;
				}
				if (nr == 55 || nr == 37 || nr == 0 || nr == 198)
					continue;
				raw_call(nr, v[variant]);
				if (getpid() != me)
					_exit(0);
			}
			_exit(0);
		}
		reap(pid, 100);
		if (++restarts > 3000)
			break;
	}
	ok(p->nr > 600, "every number");
	return (finish());
}
