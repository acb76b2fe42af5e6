/* Disk geometry as DIOCGPART answers it. */
#ifndef _SYS_DISK_H_
#define _SYS_DISK_H_

#include <sys/ioccom.h>
#include <sys/uuid.h>

struct partinfo {
	uint64_t media_offset;
	uint64_t media_size;
	uint64_t media_blocks;
	int media_blksize;
	uint64_t reserved_blocks;
	int fstype;
	char fsreserved[16];
	uint32_t d_nheads;
	uint32_t d_ncylinders;
	uint32_t d_secpertrack;
	uint32_t d_secpercyl;
	uint32_t d_reserved[8];
	struct uuid fstype_uuid;
	struct uuid storage_uuid;
};
#define DIOCGPART _IOR('d', 104, struct partinfo)

#endif
