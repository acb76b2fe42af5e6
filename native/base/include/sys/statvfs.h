#ifndef _SYS_STATVFS_H_
#define _SYS_STATVFS_H_

#include <sys/types.h>
#include <sys/uuid.h>

struct statvfs {
	unsigned long f_bsize;
	unsigned long f_frsize;
	uint64_t f_blocks;
	uint64_t f_bfree;
	uint64_t f_bavail;
	uint64_t f_files;
	uint64_t f_ffree;
	uint64_t f_favail;
	unsigned long f_fsid;
	unsigned long f_flag;
	unsigned long f_namemax;
	uid_t f_owner;
	unsigned int f_type;
	uint64_t f_syncreads;
	uint64_t f_syncwrites;
	uint64_t f_asyncreads;
	uint64_t f_asyncwrites;
	uuid_t f_fsid_uuid;
	uuid_t f_uid_uuid;
};
#define ST_RDONLY 1
#define ST_NOSUID 2
__BEGIN_DECLS
int fstatvfs(int, struct statvfs *);
int statvfs(const char *, struct statvfs *);
__END_DECLS

#endif
