/*
 * What the two halves of sed share: sed_parse.c compiles the script, sed.c runs it.
 */
#ifndef BIN_SED_H
#define BIN_SED_H

#include "util.h"

#include <regex.h>

enum addr_type { A_NONE, A_LINE, A_LAST, A_RE, A_REL };

struct addr {
	enum addr_type type;
	unsigned long line;
	regex_t *re; /* NULL: the last one used */
};

struct out {
	FILE *f;
	char *path;
	bool no_newline; /* the last line written had none: it gets one if more follows */
	struct out *next;
};

struct subst {
	regex_t *re;
	char *repl; /* as written, escapes included */
	unsigned long nth;
	bool global, print;
	struct out *out;
	size_t max_ref;
};

struct cmd {
	struct addr a1, a2;
	bool negate, in_range;
	unsigned long range_end; /* of a numeric or relative second address */
	char code;
	char *text; /* a i c, label of b t :, file of r, set of y (256 bytes) */
	size_t target; /* of b, t and { */
	int status; /* of q */
	struct subst *s;
	struct out *out;
};

extern struct cmd *sed_cmds;
extern size_t sed_ncmds;
extern bool sed_extended, sed_quiet;

void sed_compile(const char *script);
struct out *sed_out_stdout(void);

#endif
