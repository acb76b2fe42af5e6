/* Threads over lwp_create and umtx: mutual exclusion, conditions, errno and TLS per thread, join. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define THREADS 4
#define ROUNDS 20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static long counter;
static int whose;
static __thread int mine = 5;

static void *
count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	mine += (int)(long)arg;
	errno = (int)(long)arg;
	close(-1);
	return ((void *)(long)(mine * 1000 + errno));
}

static void *
ping(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		while (whose != 1)
			pthread_cond_wait(&turn, &lock);
		whose = 0;
		pthread_cond_signal(&turn);
		pthread_mutex_unlock(&lock);
	}
	return (NULL);
}

int
main(void)
{
	pthread_t t[THREADS];
	void *result;
	int good = 1;

	errno = 0;
	for (long i = 0; i < THREADS; i++)
		ok(pthread_create(&t[i], NULL, count, (void *)i) == 0, "a thread starts");
	for (long i = 0; i < THREADS; i++) {
		pthread_join(t[i], &result);
		good &= (long)result == (5 + i) * 1000 + EBADF;
	}
	ok(counter == (long)THREADS * ROUNDS, "no increment is lost under the mutex");
	ok(good && mine == 5 && errno == 0, "errno and thread-local variables are each thread's own");
	pthread_create(&t[0], NULL, ping, NULL);
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		whose = 1;
		pthread_cond_signal(&turn);
		while (whose != 0)
			pthread_cond_wait(&turn, &lock);
		pthread_mutex_unlock(&lock);
	}
	pthread_join(t[0], NULL);
	ok(1, "a thousand hand-overs through a condition");
	return (finish());
}
