/* Environment, program options (getopt), random numbers, a little arithmetic. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "libc_private.h"

static char **own_env; /* our copy of the vector, once somebody changed it */
static size_t own_room;

static char **
find(const char *name, size_t n)
{
	if (environ != NULL)
		for (char **p = environ; *p != NULL; p++)
			if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
				return (p);
	return (NULL);
}

char *
getenv(const char *name)
{
	size_t n = strlen(name);
	char **p = n > 0 && strchr(name, '=') == NULL ? find(name, n) : NULL;

	return (p != NULL ? *p + n + 1 : NULL);
}

static int
append(char *entry)
{
	size_t n = 0;

	if (environ != NULL)
		while (environ[n] != NULL)
			n++;
	if (environ != own_env || n + 2 > own_room) {
		size_t room = 2 * n + 16;
		char **fresh = malloc(room * sizeof(char *));

		if (fresh == NULL)
			return (-1);
		if (n > 0)
			memcpy(fresh, environ, n * sizeof(char *));
		free(own_env);
		own_env = environ = fresh;
		own_room = room;
	}
	environ[n] = entry;
	environ[n + 1] = NULL;
	return (0);
}

int
putenv(char *entry)
{
	char *eq = strchr(entry, '='), **p;

	if (eq == NULL)
		return (unsetenv(entry));
	if ((p = find(entry, (size_t)(eq - entry))) != NULL) {
		*p = entry;
		return (0);
	}
	return (append(entry));
}

int
setenv(const char *name, const char *value, int overwrite)
{
	size_t n;
	char **p, *entry;

	if (name == NULL || *name == '\0' || strchr(name, '=') != NULL) {
		errno = EINVAL;
		return (-1);
	}
	n = strlen(name);
	p = find(name, n);
	if (p != NULL && !overwrite)
		return (0);
	/* A shorter value fits over the old one. */
	if (p != NULL && environ == own_env && strlen(*p + n + 1) >= strlen(value)) {
		strcpy(*p + n + 1, value);
		return (0);
	}
	if ((entry = malloc(n + strlen(value) + 2)) == NULL)
		return (-1);
	memcpy(entry, name, n);
	entry[n] = '=';
	strcpy(entry + n + 1, value);
	if (p != NULL) {
		*p = entry;
		return (0);
	}
	return (append(entry));
}

int
unsetenv(const char *name)
{
	size_t n;
	char **p;

	if (name == NULL || *name == '\0' || strchr(name, '=') != NULL) {
		errno = EINVAL;
		return (-1);
	}
	n = strlen(name);
	while ((p = find(name, n)) != NULL)
		for (; (*p = p[1]) != NULL; p++)
			;
	return (0);
}

int
clearenv(void)
{
	if (environ != NULL)
		*environ = NULL;
	return (0);
}

/* getopt(3) and getopt_long(3). */
char *optarg;
int optind = 1, opterr = 1, optopt, optreset;
static const char *place = "";

static int
complain(const char *fmt, int c)
{
	if (opterr) {
		fprintf(stderr, "%s: ", getprogname());
		fprintf(stderr, fmt, c);
		fputc('\n', stderr);
	}
	return ('?');
}

int
getopt(int argc, char *const *argv, const char *spec)
{
	const char *p;

	if (optreset || *place == '\0') {
		optreset = 0;
		place = "";
		if (optind == 0)
			optind = 1;
		if (optind >= argc || argv[optind] == NULL || argv[optind][0] != '-' || argv[optind][1] == '\0')
			return (-1);
		place = argv[optind] + 1;
		if (place[0] == '-' && place[1] == '\0') {
			optind++;
			place = "";
			return (-1);
		}
	}
	if (*spec == '+')
		spec++;
	optopt = (unsigned char)*place++;
	p = optopt == ':' ? NULL : strchr(*spec == ':' ? spec + 1 : spec, optopt);
	if (p == NULL) {
		if (*place == '\0')
			optind++;
		return (*spec == ':' ? '?' : complain("illegal option -- %c", optopt));
	}
	if (p[1] != ':') {
		optarg = NULL;
		if (*place == '\0')
			optind++;
		return (optopt);
	}
	if (*place != '\0' || p[2] == ':')
		optarg = *place != '\0' ? (char *)(uintptr_t)place : NULL;
	else if (optind + 1 < argc)
		optarg = argv[++optind];
	else {
		optind++;
		place = "";
		if (*spec == ':')
			return (':');
		return (complain("option requires an argument -- %c", optopt));
	}
	optind++;
	place = "";
	return (optopt);
}

/* Move argv[from..to) in front of argv[at]: how a long-option parser skips over operands. */
static void
permute(char **argv, int at, int from, int to)
{
	for (; from < to; from++, at++) {
		char *arg = argv[from];

		memmove(argv + at + 1, argv + at, (size_t)(from - at) * sizeof(char *));
		argv[at] = arg;
	}
}

static int
long_option(int argc, char *const *argv, const char *spec, const struct option *longs, int *index, const char *text)
{
	size_t n = strcspn(text, "=");
	int match = -1, exact = 0, ambiguous = 0, quiet = *spec == ':' || (*spec == '+' && spec[1] == ':');

	for (int i = 0; longs[i].name != NULL; i++) {
		if (strncmp(longs[i].name, text, n) != 0)
			continue;
		if (longs[i].name[n] == '\0') {
			match = i;
			exact = 1;
			break;
		}
		if (match >= 0 && (longs[match].has_arg != longs[i].has_arg || longs[match].flag != longs[i].flag ||
		    longs[match].val != longs[i].val))
			ambiguous = 1;
		else
			match = i;
	}
	optind++;
	if (match < 0 || (ambiguous && !exact)) {
		optopt = 0;
		if (opterr && !quiet)
			fprintf(stderr, "%s: %s option -- %.*s\n", getprogname(), match < 0 ? "unrecognized" :
			    "ambiguous", (int)n, text);
		return ('?');
	}
	optarg = NULL;
	if (text[n] == '=') {
		if (longs[match].has_arg == no_argument) {
			optopt = longs[match].flag == NULL ? longs[match].val : 0;
			if (opterr && !quiet)
				fprintf(stderr, "%s: option doesn't take an argument -- %.*s\n", getprogname(), (int)n, text);
			return ('?');
		}
		optarg = (char *)(uintptr_t)(text + n + 1);
	} else if (longs[match].has_arg == required_argument) {
		if (optind >= argc) {
			optopt = longs[match].flag == NULL ? longs[match].val : 0;
			if (opterr && !quiet)
				fprintf(stderr, "%s: option requires an argument -- %s\n", getprogname(), longs[match].name);
			return (quiet ? ':' : '?');
		}
		optarg = argv[optind++];
	}
	if (index != NULL)
		*index = match;
	if (longs[match].flag != NULL) {
		*longs[match].flag = longs[match].val;
		return (0);
	}
	return (longs[match].val);
}

static int
getopt_any(int argc, char *const *argv, const char *spec, const struct option *longs, int *index, int only)
{
	int posix = *spec == '+' || getenv("POSIXLY_CORRECT") != NULL, first, start, c;

	if (optreset || optind == 0) {
		optind = optind == 0 ? 1 : optind;
		optreset = 0;
		place = "";
	}
	if (*spec == '-')
		spec++;
	if (*place != '\0')
		return (getopt(argc, argv, spec));
	first = start = optind;
	while (start < argc && (argv[start][0] != '-' || argv[start][1] == '\0')) {
		if (posix)
			return (-1);
		start++;
	}
	if (start >= argc)
		return (-1);
	optind = start;
	if (strcmp(argv[start], "--") == 0) {
		optind++;
		c = -1;
	} else if (argv[start][1] == '-')
		c = long_option(argc, argv, spec, longs, index, argv[start] + 2);
	else if (only && (argv[start][2] != '\0' || strchr(spec, argv[start][1]) == NULL))
		c = long_option(argc, argv, spec, longs, index, argv[start] + 1);
	else
		c = getopt(argc, argv, spec);
	if (start > first) {
		/* The option (with its argument) goes before the operands we skipped. */
		int used = optind > start ? optind - start : 1;
		const char *keep = place;

		permute((char **)(uintptr_t)argv, first, start, start + used);
		place = keep;
		optind = optind > start ? first + used : first;
	}
	return (c);
}

int
getopt_long(int argc, char *const *argv, const char *spec, const struct option *longs, int *index)
{
	return (getopt_any(argc, argv, spec, longs, index, 0));
}

int
getopt_long_only(int argc, char *const *argv, const char *spec, const struct option *longs, int *index)
{
	return (getopt_any(argc, argv, spec, longs, index, 1));
}

int
getsubopt(char **optp, char *const *tokens, char **value)
{
	char *s = *optp, *end, *eq;

	*value = NULL;
	if (*s == '\0')
		return (-1);
	end = strchrnul(s, ',');
	*optp = *end == ',' ? end + 1 : end;
	*end = '\0';
	if ((eq = strchr(s, '=')) != NULL) {
		*eq = '\0';
		*value = eq + 1;
	}
	for (int i = 0; tokens[i] != NULL; i++)
		if (strcmp(s, tokens[i]) == 0)
			return (i);
	return (-1);
}

/* Pseudo-random numbers: xorshift64* state, the upper bits out. arc4random is the kernel's generator. */
static uint64_t state = 0x9e3779b97f4a7c15UL;

void
srandom(unsigned int seed)
{
	state = (seed + 1UL) * 0x9e3779b97f4a7c15UL;
}

long
random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return ((long)((state * 0x2545f4914f6cdd1dUL) >> 33));
}

void
srandomdev(void)
{
	arc4random_buf(&state, sizeof(state));
	state |= 1;
}

int
rand(void)
{
	return ((int)random());
}

void
srand(unsigned int seed)
{
	srandom(seed);
}

int
rand_r(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return ((int)(*seed >> 1 & RAND_MAX));
}

static uint64_t x48 = 0x1234abcd330eUL;

static uint64_t
next48(void)
{
	x48 = (x48 * 0x5deece66dUL + 11) & 0xffffffffffffUL;
	return (x48);
}

void
srand48(long seed)
{
	x48 = (uint64_t)(uint32_t)seed << 16 | 0x330e;
}

double
drand48(void)
{
	return ((double)next48() * 0x1p-48);
}

long
lrand48(void)
{
	return ((long)(next48() >> 17));
}

long
mrand48(void)
{
	return ((long)(int32_t)(next48() >> 16));
}

void
arc4random_buf(void *p, size_t n)
{
	unsigned char *out = p;

	while (n > 0) {
		ssize_t k = getrandom(out, n, 0);

		if (k <= 0)
			abort();
		out += k;
		n -= (size_t)k;
	}
}

uint32_t
arc4random(void)
{
	static uint32_t pool[16];
	static unsigned left;

	if (left == 0) {
		arc4random_buf(pool, sizeof(pool));
		left = 16;
	}
	return (pool[--left]);
}

uint32_t
arc4random_uniform(uint32_t bound)
{
	uint32_t r, min;

	if (bound < 2)
		return (0);
	min = -bound % bound;
	do
		r = arc4random();
	while (r < min);
	return (r % bound);
}

int
getentropy(void *p, size_t n)
{
	if (n > 256) {
		errno = EIO;
		return (-1);
	}
	arc4random_buf(p, n);
	return (0);
}
