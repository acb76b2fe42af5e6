/*
 * h2blocks DIR: one line for each regular file below DIR, with a digest of each block of 64 KiB as pread(2) gives it, and
 * for each symbolic link, with a digest of its target:
 *
 *	F PATH
 *	B DIGEST ...
 *
 * A block that cannot be read is EIO (or the number of the error), n blocks of zeros are zN. Then the same blocks are
 * looked at through mmap(2): a line "M LBN ..." names those whose first byte gave SIGBUS, "X LBN ..." those whose bytes
 * were not the ones read.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 65536

static uint32_t buf[BLOCK / 4];
static const uint32_t zeros[BLOCK / 4];
static sigjmp_buf bus;

static void
on_bus(int signo)
{
	siglongjmp(bus, signo);
}

/* Two 32-bit lanes over little-endian words; the last word is padded with zeros. */
static uint64_t
digest(const uint32_t *p, size_t len)
{
	uint32_t a = 0x811c9dc5, b = (uint32_t)len;

	for (size_t i = 0; i < (len + 3) / 4; i++) {
		a = (a ^ p[i]) * 0x01000193;
		b = (b << 5 | b >> 27) + p[i];
	}
	return (uint64_t)a << 32 | b;
}

static void
mapped(int fd, off_t size)
{
	unsigned char *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		printf("M mmap: %s\n", strerror(errno));
		return;
	}
	for (off_t off = 0; off < size; off += BLOCK) {
		/* Big holes are for pread alone: mapping them page by page takes long. */
		size_t n = size - off < BLOCK ? (size_t)(size - off) : BLOCK;
		ssize_t got = pread(fd, buf, n, off);

		if (got == (ssize_t)n && memcmp(buf, zeros, n) == 0)
			continue;
		if (sigsetjmp(bus, 1) != 0) {
			printf("M %d\n", (int)(off / BLOCK));
			continue;
		}
		if (*(volatile unsigned char *)(map + off) != *(unsigned char *)buf || memcmp(map + off, buf, n) != 0 || got < 0)
			printf("X %d\n", (int)(off / BLOCK));
	}
	munmap(map, (size_t)size);
}

static void
file(const char *path, off_t size)
{
	int fd = open(path, O_RDONLY), nz = 0;

	printf("F %s\nB", path);
	if (fd < 0) {
		printf(" %s\n", strerror(errno));
		return;
	}
	for (off_t off = 0; off < size; off += BLOCK) {
		ssize_t n;

		memset(buf, 0x5a, sizeof(buf));
		n = pread(fd, buf, BLOCK, off);
		if (n > 0 && memcmp(buf, zeros, (size_t)n) == 0 && n == BLOCK) {
			nz++;
			continue;
		}
		if (nz > 0)
			printf(" z%d", nz);
		nz = 0;
		if (n < 0)
			printf(errno == EIO ? " EIO" : " %d", errno);
		else {
			memset((char *)buf + n, 0, (size_t)(BLOCK - n));
			printf(" %016llx", (unsigned long long)digest(buf, (size_t)n));
		}
	}
	printf(nz > 0 ? " z%d\n" : "\n", nz);
	if (size > 0)
		mapped(fd, size);
	close(fd);
}

static void
target(const char *path)
{
	ssize_t n;

	memset(buf, 0, sizeof(buf));
	n = readlink(path, (char *)buf, BLOCK);
	if (n < 0)
		printf(errno == EIO ? "F %s\nB EIO\n" : "F %s\nB error\n", path);
	else
		printf("F %s\nB %016llx\n", path, (unsigned long long)digest(buf, (size_t)n));
}

static void
walk(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL) {
		printf("D %s: %s\n", dir, strerror(errno));
		return;
	}
	while ((e = readdir(d)) != NULL) {
		char path[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st) != 0)
			printf("D %s: %s\n", path, strerror(errno));
		else if (S_ISDIR(st.st_mode))
			walk(path);
		else if (S_ISREG(st.st_mode))
			file(path, st.st_size);
		else if (S_ISLNK(st.st_mode))
			target(path);
	}
	closedir(d);
}

int
main(int argc, char **argv)
{
	struct sigaction sa;

	if (argc != 2)
		return 64;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_bus;
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	walk(argv[1]);
	puts("end");
	return 0;
}
