/*
 * What the two halves of ls share: ls.c chooses and sorts, ls_print.c prints.
 */
#ifndef BIN_LS_H
#define BIN_LS_H

#include "util.h"

enum ls_format { FMT_LINES, FMT_COLUMNS, FMT_ACROSS, FMT_STREAM };
enum ls_sort { SORT_NONE, SORT_NAME, SORT_TIME, SORT_SIZE };

struct ls_opts {
	enum ls_format format;
	enum ls_sort sort;
	char all; /* 0, 'A': all but . and .., 'a' */
	char which_time; /* 0 for mtime, 'c', 'u' */
	bool lng, numeric, dirs_as_files, classify, slash, follow, follow_args, physical, human, inode, kbytes, flags, hide;
	bool recurse, reverse, blocks, full_time;
	long block; /* unit of -s and of "total" */
};
extern struct ls_opts ls;

struct entry {
	char *name;
	char *target; /* of a symbolic link, with -l */
	struct stat st;
	bool bad;
};

struct timespec ls_time(const struct entry *e);
/* `in_dir`: the entries are a directory's, so -l and -s print its total. */
void ls_print(struct entry **v, size_t n, bool in_dir);
/* "uappnd,nodump" form of st_flags, "-" for none. Static storage. */
const char *flags_string(unsigned flags);

#endif
