/* ioctl command encoding: direction, length of the argument, group, number. */
#ifndef _SYS_IOCCOM_H_
#define _SYS_IOCCOM_H_

#include <sys/cdefs.h>

#define IOCPARM_MASK 0x1fff
#define IOCPARM_LEN(x) (((x) >> 16) & IOCPARM_MASK)
#define IOCBASECMD(x) ((x) & ~(IOCPARM_MASK << 16))
#define IOCGROUP(x) (((x) >> 8) & 0xff)
#define IOC_VOID 0x20000000UL
#define IOC_OUT 0x40000000UL
#define IOC_IN 0x80000000UL
#define IOC_INOUT (IOC_IN | IOC_OUT)
#define IOC_DIRMASK (IOC_INOUT | IOC_VOID)
#define _IOC(inout, group, num, len) ((inout) | (((len) & IOCPARM_MASK) << 16) | ((group) << 8) | (num))
#define _IO(g, n) _IOC(IOC_VOID, (g), (n), 0UL)
#define _IOR(g, n, t) _IOC(IOC_OUT, (g), (n), (unsigned long)sizeof(t))
#define _IOW(g, n, t) _IOC(IOC_IN, (g), (n), (unsigned long)sizeof(t))
#define _IOWR(g, n, t) _IOC(IOC_INOUT, (g), (n), (unsigned long)sizeof(t))

__BEGIN_DECLS
int ioctl(int, unsigned long, ...);
__END_DECLS

#endif
