/*
 * Process records of sysctl kern.proc.*, for ps, top and pkill.
 */
#ifndef BIN_PROCLIST_H
#define BIN_PROCLIST_H

#include "util.h"

#include <sys/kinfo.h>
#include <sys/sysctl.h>

/* kern.proc.<op>[.<arg>]; exits on failure, except ESRCH, which is an empty list. */
struct kinfo_proc *proc_list(int op, int arg, size_t *count);
/* Arguments joined by blanks, or "(name)" where there are none. Static storage. */
const char *proc_args(const struct kinfo_proc *k);
/* Name of a terminal without "/dev/", "??" for none. Static storage. */
const char *proc_tty(dev_t dev);
/* The letters of ps's STAT. Static storage. */
const char *proc_stat(const struct kinfo_proc *k);
/* CPU time used, µs. */
uint64_t proc_time(const struct kinfo_proc *k);

#endif
