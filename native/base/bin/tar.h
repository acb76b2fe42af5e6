/*
 * What the two halves of tar share: tar.c creates and parses options, tar_read.c lists and extracts.
 */
#ifndef BIN_TAR_H
#define BIN_TAR_H

#include "util.h"

#define TAR_BLOCK 512

/* POSIX.1-1988 ustar header. Numbers are octal text; sizes from 8 GiB are binary with the top bit set. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], typeflag, linkname[100];
	char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "ustar header");

struct tar_opts {
	bool verbose, to_stdout, keep_old, preserve, no_mtime, null_data, follow;
	long strip;
	char **patterns; /* members named on the command line */
	int npatterns;
	char **excludes;
	int nexcludes;
};
extern struct tar_opts tar;
extern int tar_fd, tar_status;

unsigned tar_checksum(const struct tar_header *h);
bool tar_excluded(const char *path);
void tar_put_long(const char *name, const struct stat *st, const char *link);
/* Lists ('t') or extracts ('x') the archive at tar_fd. */
void tar_read(char mode);

#endif
