/* scribble ROUNDS: a second thread writes over all that is writable of the stub while the first makes calls. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "hostile.h"

static uint64_t seed0;

static void *
scribbler(void *arg)
{
	uint64_t seed = seed0;
	int style = (int)(seed0 % 4);

	(void)arg;
	for (;;) {
		/* Slots are pages apart; the first words of each hold registers and state. */
		uint64_t slot = STUB_SLOTS + (rnd(&seed) % 8) * 0x1000 * (1 + rnd(&seed) % 4);
		uint64_t off = style == 0 ? 256 + rnd(&seed) % 8 * 4 : style == 1 ? rnd(&seed) % 25 * 8 : rnd(&seed) % 4096 & ~3UL;
		uint32_t v = style == 3 ? rnd(&seed) % 8 : rnd(&seed);

		/* A page that is not there ends this process: that is allowed. The first two slots are. */
		if (style != 2)
			slot = STUB_SLOTS + (slot & 0x1000);
		*(volatile uint32_t *)(slot + off) = v;
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20, ends[3] = { 0, 0, 0 };

	for (int r = 0; r < rounds; r++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;
			struct stat st;
			char buf[64];
			long end = now_ms() + 40;

			seed0 = (uint64_t)r;
			setsid();
			pthread_create(&t, NULL, scribbler, NULL);
			while (now_ms() < end) {
				int fd = open("/etc/passwd", O_RDONLY);

				read(fd, buf, sizeof(buf));
				stat("/", &st);
				close(fd);
				getpid();
			}
			_exit(0);
		}
		int status = reap(pid, 2500);
		ends[status == 0 ? 0 : status == -1 ? 2 : 1]++;
	}
	printf("# %d went well, %d died, %d had to be killed\n", ends[0], ends[1], ends[2]);
	ok(ends[0] + ends[1] + ends[2] == rounds, "every round came to an end");
	ok(getppid() > 0, "other processes are well");
	return (finish());
}
