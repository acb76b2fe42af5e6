/*
 * What the two halves of find share: find_parse.c builds the expression, find.c walks and evaluates it.
 */
#ifndef BIN_FIND_H
#define BIN_FIND_H

#include "util.h"

enum node_kind {
	N_AND, N_OR, N_NOT, N_TRUE, N_FALSE, N_NAME, N_INAME, N_PATH, N_IPATH, N_LNAME, N_TYPE, N_SIZE, N_TIME, N_NEWER, N_PERM,
	N_USER, N_GROUP, N_NOUSER, N_NOGROUP, N_LINKS, N_INUM, N_EMPTY, N_EXEC, N_OK, N_EXECPLUS, N_PRINT, N_PRINT0, N_LS,
	N_PRUNE, N_DELETE, N_QUIT, N_DEPTHN,
};

struct node {
	enum node_kind kind;
	struct node *a, *b;
	const char *text;
	char cmp; /* '+': more than, '-': less than, 0: exactly */
	char which; /* a c m of a time; unit of a size */
	bool minutes, in_dir;
	long long num;
	struct timespec ts;
	char **argv; /* of -exec, NULL at the end */
	int argc;
	char **batch; /* paths waiting for -exec ... {} + */
	int nbatch;
	size_t batch_bytes;
};

extern bool find_depth, find_xdev, find_acts;
extern int find_mindepth, find_maxdepth;
extern time_t find_now;

/* Builds the tree of av[0..]; -exec ... + nodes are chained for the final flush. */
struct node *find_parse(char **av);
extern struct node **find_plus;
extern size_t find_nplus;

#endif
