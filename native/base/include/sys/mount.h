/* statfs and mount(2). */
#ifndef _SYS_MOUNT_H_
#define _SYS_MOUNT_H_

#include <sys/statvfs.h>
#include <sys/types.h>

typedef struct fsid {
	int32_t val[2];
} fsid_t;

#define MFSNAMELEN 16
#define MNAMELEN 80

struct statfs {
	long f_spare2;
	long f_bsize;
	long f_iosize;
	long f_blocks;
	long f_bfree;
	long f_bavail;
	long f_files;
	long f_ffree;
	fsid_t f_fsid;
	uid_t f_owner;
	int f_type;
	int f_flags;
	long f_syncwrites;
	long f_asyncwrites;
	char f_fstypename[MFSNAMELEN];
	char f_mntonname[MNAMELEN];
	long f_syncreads;
	long f_asyncreads;
	short f_spares1;
	char f_mntfromname[MNAMELEN];
	short f_spares2;
	long f_spare[2];
};

#define MNT_RDONLY 0x00000001
#define MNT_SYNCHRONOUS 0x00000002
#define MNT_NOEXEC 0x00000004
#define MNT_NOSUID 0x00000008
#define MNT_NODEV 0x00000010
#define MNT_AUTOMOUNTED 0x00000020
#define MNT_ASYNC 0x00000040
#define MNT_SUIDDIR 0x00100000
#define MNT_SOFTDEP 0x00200000
#define MNT_NOSYMFOLLOW 0x00400000
#define MNT_IGNORE 0x00800000
#define MNT_TRIM 0x01000000
#define MNT_NOATIME 0x10000000
#define MNT_NOCLUSTERR 0x40000000
#define MNT_NOCLUSTERW 0x80000000
#define MNT_EXRDONLY 0x00000080
#define MNT_EXPORTED 0x00000100
#define MNT_DEFEXPORTED 0x00000200
#define MNT_EXPORTANON 0x00000400
#define MNT_EXKERB 0x00000800
#define MNT_EXPUBLIC 0x20000000
#define MNT_LOCAL 0x00001000
#define MNT_QUOTA 0x00002000
#define MNT_ROOTFS 0x00004000
#define MNT_USER 0x00008000
#define MNT_UPDATE 0x00010000
#define MNT_DELEXPORT 0x00020000
#define MNT_RELOAD 0x00040000
#define MNT_FORCE 0x00080000
#define MNT_CMDFLAGS 0x000f0000
#define MNT_VISFLAGMASK 0xf1f0ffff
#define MNT_WAIT 0x0001
#define MNT_NOWAIT 0x0002
#define MNT_LAZY 0x0004

struct vfsconf {
	void *vfc_vfsops;
	char vfc_name[MFSNAMELEN];
	int vfc_typenum;
	int vfc_refcount;
	int vfc_flags;
	struct {
		struct vfsconf *stqe_next;
	} vfc_next;
};

struct tmpfs_mount_info {
	int ta_version;
	uint64_t ta_nodes_max;
	uint64_t ta_size_max;
	uint64_t ta_maxfsize_max;
	uid_t ta_root_uid;
	gid_t ta_root_gid;
	mode_t ta_root_mode;
};

#define MOUNTCTL_STATVFS 17
#define MOUNTCTL_MOUNTFLAGS 18

__BEGIN_DECLS
int fstatfs(int, struct statfs *);
int getfsstat(struct statfs *, long, int);
int getmntinfo(struct statfs **, int);
int getvfsstat(struct statfs *, struct statvfs *, long, int);
int mount(const char *, const char *, int, void *);
int mountctl(const char *, int, int, const void *, int, void *, int);
int statfs(const char *, struct statfs *);
int unmount(const char *, int);
int getvfsbyname(const char *, struct vfsconf *);
__END_DECLS

#endif
