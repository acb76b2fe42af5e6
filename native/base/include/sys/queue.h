/* Intrusive lists: SLIST, LIST (heads of one pointer), STAILQ, TAILQ (heads of two). See queue(3). */
#ifndef _SYS_QUEUE_H_
#define _SYS_QUEUE_H_

#include <stddef.h>

#define SLIST_HEAD(name, type)            \
	struct name {                     \
		struct type *slh_first;   \
	}
#define SLIST_HEAD_INITIALIZER(head) { NULL }
#define SLIST_ENTRY(type)                 \
	struct {                          \
		struct type *sle_next;    \
	}
#define SLIST_EMPTY(head) ((head)->slh_first == NULL)
#define SLIST_FIRST(head) ((head)->slh_first)
#define SLIST_NEXT(e, f) ((e)->f.sle_next)
#define SLIST_INIT(head) ((head)->slh_first = NULL)
#define SLIST_FOREACH(v, head, f) for ((v) = SLIST_FIRST(head); (v); (v) = SLIST_NEXT(v, f))
#define SLIST_FOREACH_MUTABLE(v, head, f, t) \
	for ((v) = SLIST_FIRST(head); (v) && ((t) = SLIST_NEXT(v, f), 1); (v) = (t))
#define SLIST_INSERT_HEAD(head, e, f)                 \
	do {                                          \
		SLIST_NEXT(e, f) = SLIST_FIRST(head); \
		SLIST_FIRST(head) = (e);              \
	} while (0)
#define SLIST_INSERT_AFTER(l, e, f)               \
	do {                                      \
		SLIST_NEXT(e, f) = SLIST_NEXT(l, f); \
		SLIST_NEXT(l, f) = (e);           \
	} while (0)
#define SLIST_REMOVE_HEAD(head, f) (SLIST_FIRST(head) = SLIST_NEXT(SLIST_FIRST(head), f))
#define SLIST_REMOVE(head, e, type, f)                          \
	do {                                                    \
		struct type **_pp = &SLIST_FIRST(head);         \
		while (*_pp != (e))                             \
			_pp = &SLIST_NEXT(*_pp, f);             \
		*_pp = SLIST_NEXT(e, f);                        \
	} while (0)

#define LIST_HEAD(name, type)             \
	struct name {                     \
		struct type *lh_first;    \
	}
#define LIST_HEAD_INITIALIZER(head) { NULL }
#define LIST_ENTRY(type)                  \
	struct {                          \
		struct type *le_next;     \
		struct type **le_prev;    \
	}
#define LIST_EMPTY(head) ((head)->lh_first == NULL)
#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_NEXT(e, f) ((e)->f.le_next)
#define LIST_INIT(head) (LIST_FIRST(head) = NULL)
#define LIST_FOREACH(v, head, f) for ((v) = LIST_FIRST(head); (v); (v) = LIST_NEXT(v, f))
#define LIST_FOREACH_MUTABLE(v, head, f, t) \
	for ((v) = LIST_FIRST(head); (v) && ((t) = LIST_NEXT(v, f), 1); (v) = (t))
#define LIST_INSERT_HEAD(head, e, f)                                      \
	do {                                                              \
		if ((LIST_NEXT(e, f) = LIST_FIRST(head)) != NULL)         \
			LIST_FIRST(head)->f.le_prev = &LIST_NEXT(e, f);   \
		LIST_FIRST(head) = (e);                                   \
		(e)->f.le_prev = &LIST_FIRST(head);                       \
	} while (0)
#define LIST_INSERT_AFTER(l, e, f)                                        \
	do {                                                              \
		if ((LIST_NEXT(e, f) = LIST_NEXT(l, f)) != NULL)          \
			LIST_NEXT(l, f)->f.le_prev = &LIST_NEXT(e, f);    \
		LIST_NEXT(l, f) = (e);                                    \
		(e)->f.le_prev = &LIST_NEXT(l, f);                        \
	} while (0)
#define LIST_INSERT_BEFORE(l, e, f)             \
	do {                                    \
		(e)->f.le_prev = (l)->f.le_prev; \
		LIST_NEXT(e, f) = (l);          \
		*(l)->f.le_prev = (e);          \
		(l)->f.le_prev = &LIST_NEXT(e, f); \
	} while (0)
#define LIST_REMOVE(e, f)                                              \
	do {                                                           \
		if (LIST_NEXT(e, f) != NULL)                           \
			LIST_NEXT(e, f)->f.le_prev = (e)->f.le_prev;   \
		*(e)->f.le_prev = LIST_NEXT(e, f);                     \
	} while (0)

#define STAILQ_HEAD(name, type)           \
	struct name {                     \
		struct type *stqh_first;  \
		struct type **stqh_last;  \
	}
#define STAILQ_HEAD_INITIALIZER(head) { NULL, &(head).stqh_first }
#define STAILQ_ENTRY(type)                \
	struct {                          \
		struct type *stqe_next;   \
	}
#define STAILQ_EMPTY(head) ((head)->stqh_first == NULL)
#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_NEXT(e, f) ((e)->f.stqe_next)
#define STAILQ_INIT(head)                                \
	do {                                             \
		STAILQ_FIRST(head) = NULL;               \
		(head)->stqh_last = &STAILQ_FIRST(head); \
	} while (0)
#define STAILQ_FOREACH(v, head, f) for ((v) = STAILQ_FIRST(head); (v); (v) = STAILQ_NEXT(v, f))
#define STAILQ_FOREACH_MUTABLE(v, head, f, t) \
	for ((v) = STAILQ_FIRST(head); (v) && ((t) = STAILQ_NEXT(v, f), 1); (v) = (t))
#define STAILQ_INSERT_HEAD(head, e, f)                                 \
	do {                                                           \
		if ((STAILQ_NEXT(e, f) = STAILQ_FIRST(head)) == NULL)  \
			(head)->stqh_last = &STAILQ_NEXT(e, f);        \
		STAILQ_FIRST(head) = (e);                              \
	} while (0)
#define STAILQ_INSERT_TAIL(head, e, f)                  \
	do {                                            \
		STAILQ_NEXT(e, f) = NULL;               \
		*(head)->stqh_last = (e);               \
		(head)->stqh_last = &STAILQ_NEXT(e, f); \
	} while (0)
#define STAILQ_REMOVE_HEAD(head, f)                                                  \
	do {                                                                         \
		if ((STAILQ_FIRST(head) = STAILQ_NEXT(STAILQ_FIRST(head), f)) == NULL) \
			(head)->stqh_last = &STAILQ_FIRST(head);                     \
	} while (0)
#define STAILQ_REMOVE(head, e, type, f)                           \
	do {                                                      \
		struct type **_pp = &STAILQ_FIRST(head);          \
		while (*_pp != (e))                               \
			_pp = &STAILQ_NEXT(*_pp, f);              \
		if ((*_pp = STAILQ_NEXT(e, f)) == NULL)           \
			(head)->stqh_last = _pp;                  \
	} while (0)

#define TAILQ_HEAD(name, type)            \
	struct name {                     \
		struct type *tqh_first;   \
		struct type **tqh_last;   \
	}
#define TAILQ_HEAD_INITIALIZER(head) { NULL, &(head).tqh_first }
#define TAILQ_ENTRY(type)                 \
	struct {                          \
		struct type *tqe_next;    \
		struct type **tqe_prev;   \
	}
#define TAILQ_EMPTY(head) ((head)->tqh_first == NULL)
#define TAILQ_FIRST(head) ((head)->tqh_first)
#define TAILQ_NEXT(e, f) ((e)->f.tqe_next)
#define TAILQ_LAST(head, headname) (*(((struct headname *)((head)->tqh_last))->tqh_last))
#define TAILQ_PREV(e, headname, f) (*(((struct headname *)((e)->f.tqe_prev))->tqh_last))
#define TAILQ_INIT(head)                                \
	do {                                            \
		TAILQ_FIRST(head) = NULL;               \
		(head)->tqh_last = &TAILQ_FIRST(head);  \
	} while (0)
#define TAILQ_FOREACH(v, head, f) for ((v) = TAILQ_FIRST(head); (v); (v) = TAILQ_NEXT(v, f))
#define TAILQ_FOREACH_MUTABLE(v, head, f, t) \
	for ((v) = TAILQ_FIRST(head); (v) && ((t) = TAILQ_NEXT(v, f), 1); (v) = (t))
#define TAILQ_FOREACH_REVERSE(v, head, headname, f) \
	for ((v) = TAILQ_LAST(head, headname); (v); (v) = TAILQ_PREV(v, headname, f))
#define TAILQ_INSERT_HEAD(head, e, f)                                       \
	do {                                                                \
		if ((TAILQ_NEXT(e, f) = TAILQ_FIRST(head)) != NULL)         \
			TAILQ_FIRST(head)->f.tqe_prev = &TAILQ_NEXT(e, f);  \
		else                                                        \
			(head)->tqh_last = &TAILQ_NEXT(e, f);               \
		TAILQ_FIRST(head) = (e);                                    \
		(e)->f.tqe_prev = &TAILQ_FIRST(head);                       \
	} while (0)
#define TAILQ_INSERT_TAIL(head, e, f)                  \
	do {                                           \
		TAILQ_NEXT(e, f) = NULL;               \
		(e)->f.tqe_prev = (head)->tqh_last;    \
		*(head)->tqh_last = (e);               \
		(head)->tqh_last = &TAILQ_NEXT(e, f);  \
	} while (0)
#define TAILQ_INSERT_AFTER(head, l, e, f)                                   \
	do {                                                                \
		if ((TAILQ_NEXT(e, f) = TAILQ_NEXT(l, f)) != NULL)          \
			TAILQ_NEXT(e, f)->f.tqe_prev = &TAILQ_NEXT(e, f);   \
		else                                                        \
			(head)->tqh_last = &TAILQ_NEXT(e, f);               \
		TAILQ_NEXT(l, f) = (e);                                     \
		(e)->f.tqe_prev = &TAILQ_NEXT(l, f);                        \
	} while (0)
#define TAILQ_INSERT_BEFORE(l, e, f)                 \
	do {                                         \
		(e)->f.tqe_prev = (l)->f.tqe_prev;   \
		TAILQ_NEXT(e, f) = (l);              \
		*(l)->f.tqe_prev = (e);              \
		(l)->f.tqe_prev = &TAILQ_NEXT(e, f); \
	} while (0)
#define TAILQ_REMOVE(head, e, f)                                            \
	do {                                                                \
		if (TAILQ_NEXT(e, f) != NULL)                               \
			TAILQ_NEXT(e, f)->f.tqe_prev = (e)->f.tqe_prev;     \
		else                                                        \
			(head)->tqh_last = (e)->f.tqe_prev;                 \
		*(e)->f.tqe_prev = TAILQ_NEXT(e, f);                        \
	} while (0)

#endif
