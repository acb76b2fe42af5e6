#ifndef _LIBUTIL_H_
#define _LIBUTIL_H_

#include <sys/types.h>

#define HN_DECIMAL 0x01
#define HN_NOSPACE 0x02
#define HN_B 0x04
#define HN_DIVISOR_1000 0x08
#define HN_GETSCALE 0x10
#define HN_AUTOSCALE 0x20
__BEGIN_DECLS
int humanize_number(char *, size_t, int64_t, const char *, int, int);
int expand_number(const char *, int64_t *);
int login_tty(int);
int openpty(int *, int *, char *, const void *, const void *);
__END_DECLS

#endif
