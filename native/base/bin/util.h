/*
 * Shared helpers of the everyday utilities.
 *
 * Every utility is one `NAME_main` of the crunched binary and runs in a process of its own, so static state is
 * free to use and memory need not be given back. Errors go to stderr in the BSD form `name: path: Message`
 * (err(3)); wrong use prints `usage: ...` and exits 1, or 64 (EX_USAGE) where the BSD utility does.
 */
#ifndef BIN_UTIL_H
#define BIN_UTIL_H

#include <sys/types.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The utilities are developed against the build host's libc too; what only DragonFly has is fenced by this. */
#ifdef __GLIBC__
#include <sys/sysmacros.h>
#define HOST_LIBC 1
#else
#define HOST_LIBC 0
#endif

#ifndef S_ISTXT
#define S_ISTXT S_ISVTX
#endif

#define EXIT_USAGE 64 /* EX_USAGE of sysexits(3) */
#define NELEM(a) (sizeof(a) / sizeof((a)[0]))
#define IS_DOT(n) ((n)[0] == '.' && ((n)[1] == '\0' || ((n)[1] == '.' && (n)[2] == '\0')))

#define PRINTFLIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))

/* Memory and strings: these exit with a message instead of returning NULL. */
void *xmalloc(size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *path_join(const char *dir, const char *name);
const char *base_name(const char *path); /* last component, trailing slashes ignored only if none follow */
void strip_slashes(char *path);

/* Growing byte string. `s` is NUL-terminated after every call. */
struct sbuf {
	char *s;
	size_t len, cap;
};
void sb_put(struct sbuf *b, const char *p, size_t n);
void sb_putc(struct sbuf *b, int c);
void sb_puts(struct sbuf *b, const char *s);
void sb_reset(struct sbuf *b);

/* One line with its newline removed (*nl tells whether it had one); -1 at the end of the file. */
ssize_t read_line(FILE *f, struct sbuf *b, int delim, bool *nl);

/* Leaving: usage on stderr, or flush stdout and turn a write error into exit code 1 (2 for grep, sort ...). */
void usage(int code, const char *text) NORETURN;
int finish(int code);
int finish_err(int code, int errcode);

/* Numbers. parse_num takes digits only and exits with `name: what: s` otherwise; parse_size knows b k m g t p. */
long long parse_num(const char *s, long long min, long long max, const char *what);
bool str_num(const char *s, int base, long long *out);
bool parse_size(const char *s, long long *out);
/* "1.5G" style, at most 5 columns; si: powers of 1000. */
void humanize(char *buf, size_t size, long long bytes, bool si);
/* 512-byte units unless $BLOCKSIZE says otherwise; *header gets "1K-blocks" and the like. */
long block_size(const char **header);

/* Modes and owners. */
void mode_string(unsigned mode, char out[12]);
/* chmod(1) mode, octal or symbolic; mode_apply works on a compiled spec. NULL: not a mode. */
struct mode_spec;
struct mode_spec *mode_compile(const char *spec);
unsigned mode_apply(const struct mode_spec *m, unsigned old, bool is_dir);
const char *user_name(uid_t uid);
const char *group_name(gid_t gid);
bool parse_user(const char *s, uid_t *uid);
bool parse_group(const char *s, gid_t *gid);

/* Signals by BSD name, without "SIG". */
extern const char *const signal_names[];
extern const int signal_count;
int signal_number(const char *name);

/* Copies the rest of `in` to `out`; -1 with *on_write telling the side that failed. */
int copy_fd(int in, int out, bool *on_write);
int write_all(int fd, const void *buf, size_t n);
/* Asks on stderr, reads stdin: true for y or Y. */
bool ask(const char *fmt, ...) PRINTFLIKE(1, 2);
/* Columns of the terminal on stdout, $COLUMNS, or 80. */
int term_columns(void);
int term_rows(void);

/*
 * File hierarchy walker, by path. The callback sees a directory before (W_D) and, with WALK_POST, after its
 * contents (W_DP). Its answer: WALK_GO, WALK_SKIP (do not enter this directory), WALK_STOP.
 */
enum walk_type { W_FILE, W_D, W_DP, W_SYMLINK, W_BADLINK, W_NOSTAT, W_NOREAD, W_CYCLE };
enum { WALK_GO, WALK_SKIP, WALK_STOP };
#define WALK_LOGICAL 0x1 /* follow every link (-L) */
#define WALK_COMFOLLOW 0x2 /* follow links named on the command line (-H) */
#define WALK_XDEV 0x4
#define WALK_POST 0x8
#define WALK_SORT 0x10

struct wnode {
	const char *path;
	const char *name; /* last component */
	struct stat st; /* not valid for W_NOSTAT */
	enum walk_type type;
	int level; /* 0: named on the command line */
	int error; /* errno for W_NOSTAT, W_NOREAD */
	void *data; /* the callback's own; W_D's value is there again in W_DP */
	struct wnode *parent;
};
typedef int (*walk_fn)(struct wnode *w, void *arg);
int walk(const char *path, int flags, walk_fn fn, void *arg);

/* Names in a directory, without . and .., sorted if asked; -1 with errno. */
int read_names(const char *dir, bool sorted, char ***names, size_t *count);
void free_names(char **names, size_t count);

#endif
