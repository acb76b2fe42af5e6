#ifndef _LIBGEN_H_
#define _LIBGEN_H_

#include <sys/cdefs.h>

__BEGIN_DECLS
char *basename(const char *);
char *dirname(const char *);
__END_DECLS

#endif
