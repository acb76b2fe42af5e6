/* badexec ROUNDS: execve of a program with damaged headers, and of odd files. */
#include <fcntl.h>
#include <sys/stat.h>

#include "hostile.h"

static int
try(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		alarm(1);
		close(1);
		close(2);
		execl(path, "sh", "-c", "exit 3", (char *)NULL);
		_exit(100 + errno % 100);
	}
	return (reap(pid, 300));
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 200, refused = 0, ran = 0, died = 0;
	static unsigned char image[1 << 20], bad[1 << 20];
	int fd = open("/bin/sh", O_RDONLY);
	ssize_t n = read(fd, image, sizeof(image));
	uint64_t seed = 42;

	close(fd);
	ok(n > 4096, "a program to damage");
	for (int r = 0; r < rounds; r++) {
		ssize_t len = n;

		memcpy(bad, image, (size_t)n);
		for (int k = 1 + (int)(rnd(&seed) % 6); k > 0; k--) {
			/* Mostly in the program headers; whole fields with telling values, or one byte. */
			size_t at = rnd(&seed) % 4 == 0 ? rnd(&seed) % 64 : 64 + rnd(&seed) % 280;
			static const uint64_t telling[] = { 0, 1, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffdff000, 0x7fffffe00000,
				0x800000000000, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffff000 };

			if (rnd(&seed) % 2)
				bad[at] = (unsigned char)rnd(&seed);
			else
				memcpy(bad + (at & ~7UL), &telling[rnd(&seed) % 12], 8);
		}
		if (rnd(&seed) % 10 == 0)
			len = (ssize_t)(rnd(&seed) % 5000);
		unlink("/tmp/bad");
		fd = open("/tmp/bad", O_WRONLY | O_CREAT | O_TRUNC, 0755);
		write(fd, bad, (size_t)len);
		close(fd);
		int status = try("/tmp/bad");
		if (status == 3 << 8)
			ran++;
		else if (WIFEXITED(status) && WEXITSTATUS(status) >= 100)
			refused++;
		else
			died++;
	}
	printf("# %d refused, %d ran, %d died\n", refused, ran, died);
	ok(refused > 0 && refused + ran + died == rounds, "damaged programs are refused, run or die");
	fd = open("/tmp/loop", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	write(fd, "#!/tmp/loop\n", 12);
	close(fd);
	ok(try("/tmp/loop") != 3 << 8, "a script that is its own interpreter");
	ok(try("/dev/null") != 3 << 8 && try("/") != 3 << 8 && try("/etc/passwd") != 3 << 8, "devices, directories and data");
	fd = open("/tmp/long", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	write(fd, "#!", 2);
	for (int i = 0; i < 5000; i++)
		write(fd, "x", 1);
	close(fd);
	ok(try("/tmp/long") != 3 << 8, "an interpreter line without an end");
	ok(try("/bin/sh") == 3 << 8, "an honest program still runs");
	return (finish());
}
