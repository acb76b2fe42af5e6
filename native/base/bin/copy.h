/*
 * Copying of files and hierarchies, shared by cp and mv.
 */
#ifndef BIN_COPY_H
#define BIN_COPY_H

#include "util.h"

struct copy_opts {
	bool recurse; /* directories are copied, else refused */
	bool follow, follow_args; /* links met below, links named */
	bool preserve; /* owner, mode, times, flags */
	bool keep_links; /* two names of one file stay two names of one file */
	bool force, interactive, no_clobber, verbose, one_fs;
	bool hard_link, sym_link; /* link instead of copying */
};

/* Copies `from` to the very name `to`; 0, or 1 after messages. */
int copy_tree(const char *from, const char *to, const struct copy_opts *o);

#endif
