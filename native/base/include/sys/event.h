/* kqueue(2), kevent(2). */
#ifndef _SYS_EVENT_H_
#define _SYS_EVENT_H_

#include <sys/_time.h>
#include <sys/types.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO (-3)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_EXCEPT (-8)
#define EVFILT_USER (-9)
#define EVFILT_FS (-10)

#define EV_SET(k, i, f, fl, ff, d, u)    \
	do {                             \
		struct kevent *_k = (k); \
		_k->ident = (i);         \
		_k->filter = (f);        \
		_k->flags = (fl);        \
		_k->fflags = (ff);       \
		_k->data = (d);          \
		_k->udata = (u);         \
	} while (0)

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned int fflags;
	intptr_t data;
	void *udata;
};

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_HUP 0x0800
#define EV_NODATA 0x1000
#define EV_ERROR 0x4000
#define EV_EOF 0x8000
#define EV_SYSFLAGS 0xf800

#define NOTE_FFNOP 0x00000000
#define NOTE_TRIGGER 0x01000000
#define NOTE_FFAND 0x40000000
#define NOTE_FFOR 0x80000000
#define NOTE_FFCOPY 0xc0000000
#define NOTE_FFCTRLMASK 0xc0000000
#define NOTE_FFLAGSMASK 0x00ffffff
#define NOTE_LOWAT 0x0001
#define NOTE_OOB 0x0002
#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK 0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040
#define NOTE_EXIT 0x80000000
#define NOTE_FORK 0x40000000
#define NOTE_EXEC 0x20000000
#define NOTE_TRACK 0x00000001
#define NOTE_TRACKERR 0x00000002
#define NOTE_CHILD 0x00000004

__BEGIN_DECLS
int kqueue(void);
int kevent(int, const struct kevent *, int, struct kevent *, int, const struct timespec *);
__END_DECLS

#endif
