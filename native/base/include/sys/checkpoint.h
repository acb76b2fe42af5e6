#ifndef _SYS_CHECKPOINT_H_
#define _SYS_CHECKPOINT_H_

#include <sys/types.h>

#define CKPT_FREEZE 1
#define CKPT_THAW 2
__BEGIN_DECLS
int sys_checkpoint(int, int, pid_t, int);
__END_DECLS

#endif
