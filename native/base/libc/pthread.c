/*
 * Threads and locks over lwp_create and umtx.
 *
 * A lock word is 0 free, 1 held, 2 held with sleepers. umtx_sleep returns early now and then (spurious, every two
 * seconds, on fork), so every sleep is in a loop. A thread's stack, TLS and struct pthread are one mapping; it is
 * unmapped by the joiner once the kernel has stored `gone` (extexit), after which the thread runs no more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lwp.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/tls.h>
#include <unistd.h>

#include "libc_private.h"

#define NKEYS 64
#define STACK (1024 * 1024)

struct pthread {
	void *(*start)(void *);
	void *arg;
	void *result;
	volatile int done; /* the function has returned */
	volatile int gone; /* written by the kernel: the stack is free */
	int detached;
	lwpid_t tid;
	char *map;
	size_t maplen;
	struct tls_tcb *tcb;
	void *specific[NKEYS];
};

size_t __tls_size(void);
struct tls_tcb *__tls_init(void *);

static struct pthread main_thread;
static void (*destructors[NKEYS])(void *);
static char key_used[NKEYS];
static pthread_mutex_t key_lock = PTHREAD_MUTEX_INITIALIZER;

pthread_t
pthread_self(void)
{
	struct tls_tcb *tcb;

	__asm__("mov %%fs:0,%0" : "=r"(tcb));
	if (tcb->tcb_pthread == NULL) {
		main_thread.tcb = tcb;
		main_thread.tid = lwp_gettid();
		tcb->tcb_pthread = &main_thread;
	}
	return (tcb->tcb_pthread);
}

/* Waking early or too late is normal here and no business of the caller's errno. */
static void
wait_word(volatile const int *w, int value, int us)
{
	int saved = errno;

	umtx_sleep(w, value, us);
	errno = saved;
}

static void
wake_word(volatile const int *w, int count)
{
	int saved = errno;

	umtx_wakeup(w, count);
	errno = saved;
}

static void
word_lock(volatile int *w)
{
	int v = 0;

	if (__atomic_compare_exchange_n(w, &v, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(w, 2, __ATOMIC_ACQUIRE) != 0)
		wait_word(w, 2, 0);
}

static void
word_unlock(volatile int *w)
{
	if (__atomic_exchange_n(w, 0, __ATOMIC_RELEASE) == 2)
		wake_word(w, 1);
}

void
__lock_slow(struct __lock *l)
{
	void *me = pthread_self();

	if (l->owner == me) {
		l->count++;
		return;
	}
	word_lock(&l->word);
	l->owner = me;
	l->count = 1;
}

void
__unlock_slow(struct __lock *l)
{
	/* A lock taken before the first thread was created was not counted. */
	if (l->owner != pthread_self() || --l->count > 0)
		return;
	l->owner = NULL;
	word_unlock(&l->word);
}

static void
run_destructors(struct pthread *t)
{
	for (int round = 0, again = 1; again && round < 4; round++) {
		again = 0;
		for (int i = 0; i < NKEYS; i++) {
			void *v = t->specific[i];

			if (v == NULL || destructors[i] == NULL)
				continue;
			t->specific[i] = NULL;
			again = 1;
			destructors[i](v);
		}
	}
}

void
pthread_exit(void *result)
{
	struct pthread *t = pthread_self();

	run_destructors(t);
	t->result = result;
	if (t == &main_thread) {
		/* The process goes on until the others end. */
		extexit(EXTEXIT_LWP | EXTEXIT_SIMPLE, 0, NULL);
	}
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	wake_word(&t->done, 0);
	extexit(EXTEXIT_LWP | EXTEXIT_SETINT, 1, (void *)(uintptr_t)&t->gone);
}

static void
thread_entry(void *p)
{
	struct pthread *t = p;
	struct tls_info ti = { t->tcb, -1 };

	/* Until here the fs base is the creator's. */
	set_tls_area(0, &ti, sizeof(ti));
	pthread_exit(t->start(t->arg));
}

int
pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	size_t stack = attr != NULL && attr->stacksize != 0 ? roundup2(attr->stacksize, PAGE_SIZE) : STACK;
	size_t extra = roundup2(__tls_size() + sizeof(struct pthread) + 64, PAGE_SIZE);
	struct lwp_params lp;
	struct pthread *t;
	char *map;

	pthread_self();
	__isthreaded = 1;
	map = mmap(NULL, PAGE_SIZE + stack + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (map == MAP_FAILED)
		return (EAGAIN);
	mprotect(map, PAGE_SIZE, PROT_NONE);
	t = (struct pthread *)(map + PAGE_SIZE + stack);
	t->map = map;
	t->maplen = PAGE_SIZE + stack + extra;
	t->start = start;
	t->arg = arg;
	t->detached = attr != NULL && attr->detached;
	t->tcb = __tls_init((char *)(((uintptr_t)(t + 1) + 63) & ~(uintptr_t)63));
	t->tcb->tcb_pthread = t;
	lp.lwp_func = thread_entry;
	lp.lwp_arg = t;
	lp.lwp_stack = t;
	lp.lwp_tid1 = &t->tid;
	lp.lwp_tid2 = NULL;
	if (lwp_create(&lp) < 0) {
		int error = errno;

		munmap(map, t->maplen);
		return (error);
	}
	*out = t;
	return (0);
}

int
pthread_join(pthread_t t, void **result)
{
	if (t == pthread_self())
		return (EDEADLK);
	if (t->detached)
		return (EINVAL);
	while (!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE))
		wait_word(&t->done, 0, 0);
	while (!__atomic_load_n(&t->gone, __ATOMIC_ACQUIRE))
		sched_yield();
	if (result != NULL)
		*result = t->result;
	munmap(t->map, t->maplen);
	return (0);
}

/* A detached thread's mapping stays: nobody is left to remove it. */
int
pthread_detach(pthread_t t)
{
	t->detached = 1;
	return (0);
}

int
pthread_equal(pthread_t a, pthread_t b)
{
	return (a == b);
}

int
pthread_kill(pthread_t t, int sig)
{
	return (lwp_kill(-1, t->tid, sig) < 0 ? errno : 0);
}

void
pthread_yield(void)
{
	sched_yield();
}

int
pthread_attr_init(pthread_attr_t *a)
{
	memset(a, 0, sizeof(*a));
	return (0);
}

int
pthread_attr_destroy(pthread_attr_t *a)
{
	(void)a;
	return (0);
}

int
pthread_attr_setstacksize(pthread_attr_t *a, size_t n)
{
	if (n < 16384)
		return (EINVAL);
	a->stacksize = n;
	return (0);
}

int
pthread_attr_setdetachstate(pthread_attr_t *a, int detached)
{
	a->detached = detached;
	return (0);
}

int
pthread_mutexattr_init(pthread_mutexattr_t *a)
{
	a->type = PTHREAD_MUTEX_DEFAULT;
	return (0);
}

int
pthread_mutexattr_destroy(pthread_mutexattr_t *a)
{
	(void)a;
	return (0);
}

int
pthread_mutexattr_settype(pthread_mutexattr_t *a, int type)
{
	if (type < PTHREAD_MUTEX_ERRORCHECK || type > PTHREAD_MUTEX_NORMAL)
		return (EINVAL);
	a->type = type;
	return (0);
}

int
pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
	memset(m, 0, sizeof(*m));
	m->type = a != NULL ? a->type : PTHREAD_MUTEX_DEFAULT;
	return (0);
}

int
pthread_mutex_destroy(pthread_mutex_t *m)
{
	return (m->word != 0 ? EBUSY : 0);
}

int
pthread_mutex_lock(pthread_mutex_t *m)
{
	if (m->type != PTHREAD_MUTEX_NORMAL) {
		pthread_t me = pthread_self();

		if (m->word != 0 && m->owner == me) {
			if (m->type == PTHREAD_MUTEX_ERRORCHECK)
				return (EDEADLK);
			m->count++;
			return (0);
		}
		word_lock(&m->word);
		m->owner = me;
		m->count = 1;
		return (0);
	}
	word_lock(&m->word);
	return (0);
}

int
pthread_mutex_trylock(pthread_mutex_t *m)
{
	int v = 0;

	if (m->type == PTHREAD_MUTEX_RECURSIVE && m->word != 0 && m->owner == pthread_self()) {
		m->count++;
		return (0);
	}
	if (!__atomic_compare_exchange_n(&m->word, &v, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return (EBUSY);
	m->owner = pthread_self();
	m->count = 1;
	return (0);
}

int
pthread_mutex_unlock(pthread_mutex_t *m)
{
	if (m->type != PTHREAD_MUTEX_NORMAL) {
		if (m->owner != pthread_self())
			return (EPERM);
		if (--m->count > 0)
			return (0);
		m->owner = NULL;
	}
	word_unlock(&m->word);
	return (0);
}

int
pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
	(void)a;
	memset(c, 0, sizeof(*c));
	return (0);
}

int
pthread_cond_destroy(pthread_cond_t *c)
{
	(void)c;
	return (0);
}

int
pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	int seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE), error = 0, us = 0;

	__atomic_add_fetch(&c->waiters, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(m);
	while (__atomic_load_n(&c->seq, __ATOMIC_ACQUIRE) == seq) {
		if (until != NULL) {
			struct timespec now;
			long left;

			clock_gettime(CLOCK_REALTIME, &now);
			if (until->tv_sec - now.tv_sec > 1000)
				left = 1000000000;
			else
				left = (until->tv_sec - now.tv_sec) * 1000000 + (until->tv_nsec - now.tv_nsec) / 1000;
			if (left <= 0) {
				error = ETIMEDOUT;
				break;
			}
			us = (int)left;
		}
		wait_word(&c->seq, seq, us);
	}
	__atomic_sub_fetch(&c->waiters, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(m);
	return (error);
}

int
pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	return (pthread_cond_timedwait(c, m, NULL));
}

static int
notify(pthread_cond_t *c, int how)
{
	if (__atomic_load_n(&c->waiters, __ATOMIC_ACQUIRE) > 0) {
		__atomic_add_fetch(&c->seq, 1, __ATOMIC_RELEASE);
		wake_word(&c->seq, how);
	}
	return (0);
}

int
pthread_cond_signal(pthread_cond_t *c)
{
	return (notify(c, 1));
}

int
pthread_cond_broadcast(pthread_cond_t *c)
{
	return (notify(c, 0));
}

int
pthread_once(pthread_once_t *o, void (*fn)(void))
{
	int v = 0;

	if (__atomic_load_n(&o->state, __ATOMIC_ACQUIRE) == 2)
		return (0);
	if (__atomic_compare_exchange_n(&o->state, &v, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		fn();
		__atomic_store_n(&o->state, 2, __ATOMIC_RELEASE);
		wake_word(&o->state, 0);
	} else
		while (__atomic_load_n(&o->state, __ATOMIC_ACQUIRE) != 2)
			wait_word(&o->state, 1, 0);
	return (0);
}

int
pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *a)
{
	(void)a;
	memset(l, 0, sizeof(*l));
	l->m.type = PTHREAD_MUTEX_NORMAL;
	return (0);
}

int
pthread_rwlock_destroy(pthread_rwlock_t *l)
{
	return (l->readers != 0 ? EBUSY : 0);
}

int
pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	pthread_mutex_lock(&l->m);
	while (l->readers < 0)
		pthread_cond_wait(&l->c, &l->m);
	l->readers++;
	pthread_mutex_unlock(&l->m);
	return (0);
}

int
pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	pthread_mutex_lock(&l->m);
	while (l->readers != 0)
		pthread_cond_wait(&l->c, &l->m);
	l->readers = -1;
	pthread_mutex_unlock(&l->m);
	return (0);
}

int
pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	pthread_mutex_lock(&l->m);
	l->readers = l->readers < 0 ? 0 : l->readers - 1;
	pthread_cond_broadcast(&l->c);
	pthread_mutex_unlock(&l->m);
	return (0);
}

int
pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	int error = EAGAIN;

	pthread_mutex_lock(&key_lock);
	for (int i = 0; i < NKEYS; i++)
		if (!key_used[i]) {
			key_used[i] = 1;
			destructors[i] = destructor;
			*key = i;
			error = 0;
			break;
		}
	pthread_mutex_unlock(&key_lock);
	return (error);
}

int
pthread_key_delete(pthread_key_t key)
{
	if (key < 0 || key >= NKEYS || !key_used[key])
		return (EINVAL);
	key_used[key] = 0;
	destructors[key] = NULL;
	return (0);
}

void *
pthread_getspecific(pthread_key_t key)
{
	return (key >= 0 && key < NKEYS ? pthread_self()->specific[key] : NULL);
}

int
pthread_setspecific(pthread_key_t key, const void *value)
{
	if (key < 0 || key >= NKEYS)
		return (EINVAL);
	pthread_self()->specific[key] = (void *)(uintptr_t)value;
	return (0);
}
