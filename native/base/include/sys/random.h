#ifndef _SYS_RANDOM_H_
#define _SYS_RANDOM_H_

#include <sys/types.h>

#define GRND_RANDOM 0x1
#define GRND_NONBLOCK 0x2
#define GRND_INSECURE 0x4
__BEGIN_DECLS
ssize_t getrandom(void *, size_t, unsigned int);
__END_DECLS

#endif
