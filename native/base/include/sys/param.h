#ifndef _SYS_PARAM_H_
#define _SYS_PARAM_H_

#include <limits.h>
#include <sys/syslimits.h>
#include <sys/types.h>

#define BSD 199506
#ifndef MAXCOMLEN
#define MAXCOMLEN 16
#endif
#define MAXINTERP 32
#define MAXLOGNAME 33
#define MAXHOSTNAMELEN 256
#define MAXPATHLEN PATH_MAX
#define MAXSYMLINKS 32
#define MAXBSIZE 65536
#define MAXPHYS 131072
#define NOFILE OPEN_MAX
#define NGROUPS NGROUPS_MAX
#define NOGROUP 65535
#define DEV_BSIZE 512
#define DEV_BSHIFT 9
#define PAGE_SIZE 4096
#define PAGE_SHIFT 12
#define PAGE_MASK 4095
#define NCARGS ARG_MAX
#define FSHIFT 11
#define FSCALE (1 << FSHIFT)

#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))
#define howmany(x, y) (((x) + ((y) - 1)) / (y))
#define roundup(x, y) ((((x) + ((y) - 1)) / (y)) * (y))
#define roundup2(x, y) (((x) + ((y) - 1)) & ~((__typeof__(x))(y) - 1))
#define rounddown(x, y) (((x) / (y)) * (y))
#define rounddown2(x, y) ((x) & ~((__typeof__(x))(y) - 1))
#define powerof2(x) ((((x) - 1) & (x)) == 0)
#define nitems(x) (sizeof(x) / sizeof((x)[0]))
#define setbit(a, i) ((a)[(i) / 8] |= 1 << ((i) % 8))
#define clrbit(a, i) ((a)[(i) / 8] &= ~(1 << ((i) % 8)))
#define isset(a, i) ((a)[(i) / 8] & (1 << ((i) % 8)))
#define isclr(a, i) (((a)[(i) / 8] & (1 << ((i) % 8))) == 0)

#endif
