/*
 * Names of mount flags, shared by mount, its helpers, umount and df.
 */
#ifndef BIN_MNTOPTS_H
#define BIN_MNTOPTS_H

#include "util.h"

#include <sys/param.h>
#include <sys/mount.h>

/* "tmpfs, local, noatime": the type and the visible flags of a mounted file system. Static storage. */
const char *mount_describe(const struct statfs *fs);
/* Applies one -o word; false if it is none of the general ones. */
bool mount_option(const char *word, int *flags);
/*
 * Mounts `from` (NULL for those without a device) of type `type` on `dir`. `opts` are the words of all -o lists that
 * mount_option did not know; the type decides about them. 0, or 1 after a message.
 */
int mount_one(const char *type, const char *from, const char *dir, int flags, char **opts, int nopts);
/* All mounted file systems. */
struct statfs *mount_list(int *count);

#endif
