/* Threads that store into one shared mapping without pause, while others sync it, sleep, write through
   calls into the same file and into another. Each storing thread keeps a pair of counters on two pages:
   the first is always stored before the second. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STORING = 2, PAGES = 64 };
static volatile int over;
static char *map;
static int file, log_file;

static void check(long result) { if (result < 0) { perror("mapthreads"); exit(1); } }

static void *store(void *argument) {
    long me = (long)argument;
    volatile unsigned *first = (unsigned *)(map + me * 8 * 4096), *second = first + 1024;
    for (unsigned n = 1; !over; n++) {
        *first = n;
        __sync_synchronize();
        *second = n;
        if (n % 1000 == 0) usleep(1);
    }
    return NULL;
}

static void *call(void *argument) {
    long me = (long)argument;
    for (int n = 0; n < 60; n++) {
        check(pwrite(file, &n, sizeof n, (40 + me) * 4096 + n * 8));
        check(write(log_file, "x", 1));
        if (n % 10 == me) check(msync(map, PAGES * 4096, MS_SYNC));
        if (n % 10 == 5) check(fdatasync(file));
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    file = open("map", O_RDWR | O_CREAT, 0644); check(file);
    check(ftruncate(file, PAGES * 4096));
    log_file = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644); check(log_file);
    map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    check(map == MAP_FAILED ? -1 : 0);
    pthread_t threads[STORING + 3];
    for (long i = 0; i < STORING; i++) if (pthread_create(&threads[i], NULL, store, (void *)i)) return 1;
    for (long i = 0; i < 3; i++) if (pthread_create(&threads[STORING + i], NULL, call, (void *)i)) return 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[STORING + i], NULL);
    over = 1;
    for (int i = 0; i < STORING; i++) pthread_join(threads[i], NULL);
    return 0;
}
