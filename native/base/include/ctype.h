/* Character classes of the C locale, by one table of flags indexed from -1 (EOF) to 255. */
#ifndef _CTYPE_H_
#define _CTYPE_H_

#include <sys/cdefs.h>

__BEGIN_DECLS
int isalnum(int);
int isalpha(int);
int isascii(int);
int isblank(int);
int iscntrl(int);
int isdigit(int);
int isgraph(int);
int islower(int);
int isprint(int);
int ispunct(int);
int isspace(int);
int isupper(int);
int isxdigit(int);
int toascii(int);
int tolower(int);
int toupper(int);
int digittoint(int);
extern const unsigned char __ctype_tab[257];
__END_DECLS

#define __CT_U 0x01
#define __CT_L 0x02
#define __CT_D 0x04
#define __CT_S 0x08
#define __CT_P 0x10
#define __CT_C 0x20
#define __CT_X 0x40
#define __CT_B 0x80

#ifndef __cplusplus
#define __ct(c, m) (__ctype_tab[(c) + 1] & (m))
#define isalnum(c) __ct(c, __CT_U | __CT_L | __CT_D)
#define isalpha(c) __ct(c, __CT_U | __CT_L)
#define isdigit(c) __ct(c, __CT_D)
#define islower(c) __ct(c, __CT_L)
#define isupper(c) __ct(c, __CT_U)
#define isspace(c) __ct(c, __CT_S)
#define isxdigit(c) __ct(c, __CT_X)
#define ispunct(c) __ct(c, __CT_P)
#define iscntrl(c) __ct(c, __CT_C)
#define isgraph(c) __ct(c, __CT_U | __CT_L | __CT_D | __CT_P)
#endif

#endif
