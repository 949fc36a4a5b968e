/*
 * The wall clock of one program, off by CLOCK_OFF_S seconds: preloaded, in front of the C library.
 *
 * Deadlines by the wall clock are as far away as they would be by a right one, because the kernel knows the true time only.
 * Monotonic time is what it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static long off_s(void) {
    static long off;
    static int known;
    if (!known) {
        const char *text = getenv("CLOCK_OFF_S");
        off = text ? atol(text) : 0;
        known = 1;
    }
    return off;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += off_s();
    }
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int timespec_get(struct timespec *time, int base) {
    return clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

typedef int until_signalled(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline) {
    static until_signalled *real;
    struct timespec right = *deadline;
    if (!real) {
        real = (until_signalled *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    }
    right.tv_sec -= off_s();
    return real(cond, mutex, &right);
}

typedef int until_signalled_c11(cnd_t *, mtx_t *, const struct timespec *);

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *deadline) {
    static until_signalled_c11 *real;
    struct timespec right = *deadline;
    if (!real) {
        real = (until_signalled_c11 *)dlsym(RTLD_NEXT, "cnd_timedwait");
    }
    right.tv_sec -= off_s();
    return real(cond, mutex, &right);
}
