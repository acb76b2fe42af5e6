/* Slots: rbx rbp rsp r12-r15 rip, mxcsr and x87 control word, mask-saved flag, mask. */
#ifndef _SETJMP_H_
#define _SETJMP_H_

#include <sys/cdefs.h>

typedef struct {
	long _jb[12];
} jmp_buf[1];
typedef jmp_buf sigjmp_buf;

__BEGIN_DECLS
int _setjmp(jmp_buf) __attribute__((__returns_twice__));
int setjmp(jmp_buf) __attribute__((__returns_twice__));
int sigsetjmp(sigjmp_buf, int) __attribute__((__returns_twice__));
void _longjmp(jmp_buf, int) __dead2;
void longjmp(jmp_buf, int) __dead2;
void siglongjmp(sigjmp_buf, int) __dead2;
__END_DECLS

#endif
