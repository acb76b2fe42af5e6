/* Base types of the DragonFly x86_64 ABI. Note the narrow ones: mode_t has 16 bits. Counterpart: sys/sys/types.h */
#ifndef _SYS_TYPES_H_
#define _SYS_TYPES_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>

typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef uint8_t u_int8_t;
typedef uint16_t u_int16_t;
typedef uint32_t u_int32_t;
typedef uint64_t u_int64_t;
typedef int64_t quad_t;
typedef uint64_t u_quad_t;
typedef char *caddr_t;

typedef int64_t blkcnt_t;
typedef int64_t blksize_t;
typedef uint64_t clock_t;
typedef uint64_t clockid_t;
typedef uint32_t dev_t;
typedef uint64_t fsblkcnt_t;
typedef uint64_t fsfilcnt_t;
typedef uint32_t gid_t;
typedef int64_t id_t;
typedef uint64_t ino_t;
typedef long key_t;
typedef int32_t lwpid_t;
typedef uint16_t mode_t;
typedef uint32_t nlink_t;
typedef int64_t off_t;
typedef int32_t pid_t;
typedef int64_t rlim_t;
typedef int64_t segsz_t;
typedef int64_t ssize_t;
typedef long suseconds_t;
typedef long time_t;
typedef uint32_t uid_t;
typedef uint32_t useconds_t;
typedef uint32_t fixpt_t;
typedef int64_t daddr_t;
typedef uint32_t udev_t;

#define major(d) ((int)(((d) >> 8) & 0xff))
#define minor(d) ((int)((d) & 0xffff00ff))
#define makedev(ma, mi) ((dev_t)(((ma) << 8) | ((mi) & 0xffff00ff)))
#define NODEV ((dev_t)-1)

#include <sys/select.h>

#endif
