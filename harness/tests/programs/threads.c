/* Eight threads write at once: to files of their own, to one shared description, to one appended
   file; in pairs they wait for each other through pipes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 40 };
static int shared, appended, pipes[THREADS / 2][2][2];

static void check(long result) { if (result < 0) { perror("threads"); exit(1); } }

static void *work(void *argument) {
    long me = (long)argument, pair = me / 2, side = me % 2;
    char name[32], other[32], text[64];
    snprintf(name, sizeof name, "own-%ld", me);
    snprintf(other, sizeof other, "old-%ld", me);
    for (int round = 0; round < ROUNDS; round++) {
        int length = snprintf(text, sizeof text, "thread %ld round %d;", me, round);
        int own = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);
        check(own);
        check(write(own, text, length));
        check(write(shared, text, length));
        check(write(appended, text, length));
        check(pwrite(shared, "!", 1, me));
        if (round % 8 == 0) { check(fdatasync(own)); check(rename(name, other)); }
        if (round % 8 == 4) { mkdir("d", 0755); rmdir("d"); }
        check(close(own));
        char byte = 0;
        if (side == 0) { check(write(pipes[pair][0][1], "x", 1)); check(read(pipes[pair][1][0], &byte, 1)); }
        else { check(read(pipes[pair][0][0], &byte, 1)); check(write(pipes[pair][1][1], "y", 1)); }
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    shared = open("shared", O_WRONLY | O_CREAT, 0644); check(shared);
    appended = open("appended", O_WRONLY | O_CREAT | O_APPEND, 0644); check(appended);
    for (int i = 0; i < THREADS / 2; i++) { check(pipe(pipes[i][0])); check(pipe(pipes[i][1])); }
    for (long i = 0; i < THREADS; i++) if (pthread_create(&threads[i], NULL, work, (void *)i)) return 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    return 0;
}
