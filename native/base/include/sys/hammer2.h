/* HAMMER2's ioctls on any file of a mount: numbers and structures of DragonFly's hammer2_ioctl.h. */
#ifndef _SYS_HAMMER2_H_
#define _SYS_HAMMER2_H_

#include <sys/ioccom.h>
#include <sys/types.h>
#include <sys/uuid.h>

#define HAMMER2_PFSTYPE_CACHE 1
#define HAMMER2_PFSTYPE_SLAVE 3
#define HAMMER2_PFSTYPE_SOFT_SLAVE 4
#define HAMMER2_PFSTYPE_SOFT_MASTER 5
#define HAMMER2_PFSTYPE_MASTER 6
#define HAMMER2_PFSSUBTYPE_SNAPSHOT 1
#define HAMMER2_PFSSUBTYPE_AUTOSNAP 2

struct hammer2_ioc_pfs {
	uint64_t name_key; /* in: first key wanted; all ones: the PFS of the descriptor */
	uint64_t name_next; /* out: all ones at the end */
	uint8_t pfs_type;
	uint8_t pfs_subtype;
	uint8_t reserved0012[2];
	uint32_t pfs_flags;
	uint64_t reserved0018;
	struct uuid pfs_fsid;
	struct uuid pfs_clid;
	char name[256];
};

/* The meta part of an inode, as far as hammer2(8) shows it. */
struct hammer2_inode_meta {
	uint16_t version;
	uint8_t reserved02;
	uint8_t pfs_subtype;
	uint32_t uflags;
	uint32_t rmajor;
	uint32_t rminor;
	uint64_t ctime;
	uint64_t mtime;
	uint64_t atime;
	uint64_t btime;
	struct uuid uid;
	struct uuid gid;
	uint8_t type;
	uint8_t op_flags;
	uint16_t cap_flags;
	uint32_t mode;
	uint64_t inum;
	uint64_t size;
	uint64_t nlinks;
	uint64_t iparent;
	uint64_t name_key;
	uint16_t name_len;
	uint8_t ncopies;
	uint8_t comp_algo;
	uint8_t unused84;
	uint8_t check_algo;
	uint8_t pfs_nmasters;
	uint8_t pfs_type;
	uint64_t pfs_inum;
	struct uuid pfs_clid;
	struct uuid pfs_fsid;
	uint64_t data_quota;
	uint64_t data_used; /* from here on: ours where the reference has reserved fields */
	uint64_t inode_quota;
	uint64_t inode_used;
	uint64_t unusedd0[3];
	uint64_t quota_dir;
	uint64_t quota_state; /* 1: a quota directory */
	uint64_t quota_build;
};

#define HAMMER2IOC_INODE_FLAG_IQUOTA 1
#define HAMMER2IOC_INODE_FLAG_DQUOTA 2
#define HAMMER2IOC_INODE_FLAG_CHECK 8
#define HAMMER2IOC_INODE_FLAG_COMP 16
struct hammer2_ioc_inode {
	uint32_t flags;
	uint32_t pad;
	void *unused;
	uint64_t data_count;
	uint64_t inode_count;
	struct hammer2_inode_meta ip;
	char rest[768];
};

struct hammer2_ioc_bulkfree {
	uint64_t sbase;
	uint64_t sstop;
	uint64_t size; /* memory to use */
	uint64_t count_allocated;
	uint64_t count_freed;
	uint64_t total_fragmented;
	uint64_t total_allocated;
	uint64_t total_scanned;
};

#define HAMMER2_DELETE_FILE 1
#define HAMMER2_DELETE_INUM 2
struct hammer2_ioc_destroy {
	int32_t cmd;
	char path[256]; /* one name in the directory of the descriptor */
	int32_t unused;
	uint64_t inum;
};

/* Ours. */
struct hammer2_ioc_scrub {
	uint64_t rate; /* in: bytes a second; 0: as fast as it goes */
	uint64_t blocks;
	uint64_t bytes;
	uint64_t inodes;
	uint64_t unchecked; /* blocks without check code */
	uint64_t errors;
	uint32_t listed;
	uint32_t pad;
	uint64_t reserved;
	struct {
		uint64_t disk_offset;
		uint64_t inum;
		uint64_t file_offset;
		uint64_t type;
		char pfs[64];
		char what[224];
	} list[24];
};

#define HAMMER2_RECOVER_RELAXED 1
#define HAMMER2_RECOVER_FILE 2
struct hammer2_ioc_recover {
	uint32_t flags;
	uint32_t pad;
	uint64_t count; /* out: restored */
	char path[1024]; /* from the root of a PFS */
};

struct hammer2_ioc_growfs {
	uint64_t size; /* 0: that of the device */
	int32_t modified;
	int32_t unused1;
	char unused[56];
};

struct hammer2_ioc_volume {
	char path[1024];
	int32_t id;
	int32_t pad;
	uint64_t offset;
	uint64_t size;
};
struct hammer2_ioc_volume_list {
	struct hammer2_ioc_volume *volumes;
	int32_t nvolumes;
	int32_t version;
	char pfs_name[256];
};

_Static_assert(sizeof(struct hammer2_ioc_pfs) == 320, "pfs");
_Static_assert(sizeof(struct hammer2_inode_meta) == 256, "meta");
_Static_assert(sizeof(struct hammer2_ioc_inode) == 1056, "inode");
_Static_assert(sizeof(struct hammer2_ioc_bulkfree) == 64, "bulkfree");
_Static_assert(sizeof(struct hammer2_ioc_destroy) == 272, "destroy");
_Static_assert(sizeof(struct hammer2_ioc_scrub) == 7744, "scrub");
_Static_assert(sizeof(struct hammer2_ioc_recover) == 1040, "recover");
_Static_assert(sizeof(struct hammer2_ioc_growfs) == 72, "growfs");
_Static_assert(sizeof(struct hammer2_ioc_volume) == 1048, "volume");
_Static_assert(sizeof(struct hammer2_ioc_volume_list) == 272, "volumes");

#define HAMMER2IOC_PFS_GET _IOWR('h', 80, struct hammer2_ioc_pfs)
#define HAMMER2IOC_PFS_CREATE _IOWR('h', 81, struct hammer2_ioc_pfs)
#define HAMMER2IOC_PFS_DELETE _IOWR('h', 82, struct hammer2_ioc_pfs)
#define HAMMER2IOC_PFS_LOOKUP _IOWR('h', 83, struct hammer2_ioc_pfs)
#define HAMMER2IOC_PFS_SNAPSHOT _IOWR('h', 84, struct hammer2_ioc_pfs)
#define HAMMER2IOC_INODE_GET _IOWR('h', 86, struct hammer2_ioc_inode)
#define HAMMER2IOC_INODE_SET _IOWR('h', 87, struct hammer2_ioc_inode)
#define HAMMER2IOC_BULKFREE_SCAN _IOWR('h', 92, struct hammer2_ioc_bulkfree)
#define HAMMER2IOC_DESTROY _IOWR('h', 94, struct hammer2_ioc_destroy)
#define HAMMER2IOC_SCRUB _IOWR('h', 120, struct hammer2_ioc_scrub)
#define HAMMER2IOC_RECOVER _IOWR('h', 121, struct hammer2_ioc_recover)
#define HAMMER2IOC_EMERG_MODE _IOWR('h', 95, int)
#define HAMMER2IOC_GROWFS _IOWR('h', 96, struct hammer2_ioc_growfs)
#define HAMMER2IOC_VOLUME_LIST _IOWR('h', 97, struct hammer2_ioc_volume_list)

#endif
