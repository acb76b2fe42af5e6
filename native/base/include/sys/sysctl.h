/* sysctl(3): names are vectors of ints; sysctlbyname asks node {0,3} for the vector. */
#ifndef _SYS_SYSCTL_H_
#define _SYS_SYSCTL_H_

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>

#define CTL_MAXNAME 12
#define CTLTYPE 0x1f
#define CTLTYPE_NODE 1
#define CTLTYPE_INT 2
#define CTLTYPE_STRING 3
#define CTLTYPE_S64 4
#define CTLTYPE_QUAD CTLTYPE_S64
#define CTLTYPE_OPAQUE 5
#define CTLTYPE_STRUCT CTLTYPE_OPAQUE
#define CTLTYPE_UINT 6
#define CTLTYPE_LONG 7
#define CTLTYPE_ULONG 8
#define CTLTYPE_U64 9
#define CTLTYPE_UQUAD CTLTYPE_U64
#define CTLTYPE_U8 10
#define CTLTYPE_U16 11
#define CTLTYPE_S8 12
#define CTLTYPE_S16 13
#define CTLTYPE_S32 14
#define CTLTYPE_U32 15
#define CTLFLAG_RD 0x80000000
#define CTLFLAG_WR 0x40000000
#define CTLFLAG_RW (CTLFLAG_RD | CTLFLAG_WR)
#define CTLFLAG_ANYBODY 0x10000000

#define CTL_UNSPEC 0
#define CTL_KERN 1
#define CTL_VM 2
#define CTL_VFS 3
#define CTL_NET 4
#define CTL_DEBUG 5
#define CTL_HW 6
#define CTL_MACHDEP 7
#define CTL_USER 8
#define CTL_P1003_1B 9
#define CTL_LWKT 10

#define KERN_OSTYPE 1
#define KERN_OSRELEASE 2
#define KERN_OSREV 3
#define KERN_VERSION 4
#define KERN_MAXVNODES 5
#define KERN_MAXPROC 6
#define KERN_MAXFILES 7
#define KERN_ARGMAX 8
#define KERN_SECURELVL 9
#define KERN_HOSTNAME 10
#define KERN_HOSTID 11
#define KERN_CLOCKRATE 12
#define KERN_PROC 14
#define KERN_FILE 15
#define KERN_POSIX1 17
#define KERN_NGROUPS 18
#define KERN_JOB_CONTROL 19
#define KERN_SAVED_IDS 20
#define KERN_BOOTTIME 21
#define KERN_NISDOMAINNAME 22
#define KERN_OSRELDATE 24
#define KERN_BOOTFILE 26
#define KERN_MAXFILESPERPROC 27
#define KERN_MAXPROCPERUID 28
#define KERN_IPC 30
#define KERN_PS_STRINGS 32
#define KERN_USRSTACK 33
#define KERN_IOV_MAX 35
#define KERN_MAXPOSIXLOCKSPERUID 36

#define KERN_PROC_ALL 0
#define KERN_PROC_PID 1
#define KERN_PROC_PGRP 2
#define KERN_PROC_SESSION 3
#define KERN_PROC_TTY 4
#define KERN_PROC_UID 5
#define KERN_PROC_RUID 6
#define KERN_PROC_ARGS 7
#define KERN_PROC_CWD 8
#define KERN_PROC_PATHNAME 9
#define KERN_PROC_SIGTRAMP 10
#define KERN_PROC_FLAGMASK 0xf0
#define KERN_PROC_FLAG_LWP 0x10
#define KERN_PROC_FLAG_LWKT 0x20

#define VFS_GENERIC 0
#define VFS_MAXTYPENUM 1
#define VFS_CONF 2

#define VM_METER 1
#define VM_LOADAVG 2

#define HW_MACHINE 1
#define HW_MODEL 2
#define HW_NCPU 3
#define HW_BYTEORDER 4
#define HW_PHYSMEM 5
#define HW_USERMEM 6
#define HW_PAGESIZE 7
#define HW_MACHINE_ARCH 11
#define HW_MACHINE_PLATFORM 12

#define USER_CS_PATH 1

__BEGIN_DECLS
int sysctl(const int *, unsigned int, void *, size_t *, const void *, size_t);
int sysctlbyname(const char *, void *, size_t *, const void *, size_t);
int sysctlnametomib(const char *, int *, size_t *);
__END_DECLS

#endif
