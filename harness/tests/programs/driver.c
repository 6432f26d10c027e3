/* A driver of the protocol: a log that it appends to and syncs. After each acknowledgement it does work
   of its own, so that a test sees on which side of the next request that stands. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *sleeper(void *nothing) {
    for (;;) pause();
    return nothing;
}

int main(int argc, char **argv) {
    static char line[1 << 20];
    char path[8192], id[32], verb[32], rest[4096];
    int log = -1, later = -1, careless = argc > 1 && !strcmp(argv[1], "careless");
    /* What it says of itself, and what still lives when it has closed its store. */
    const char *mode = argc > 1 ? argv[1] : "";
    const char *words = strcmp(mode, "") && !careless ? "del reopen" : "del";
    pthread_t other;
    if (!strcmp(mode, "threaded") && pthread_create(&other, NULL, sleeper, NULL)) return 4;
    while (fgets(line, sizeof line, stdin)) {
        rest[0] = 0;
        if (sscanf(line, "%31s %31s %4095[^\n]", id, verb, rest) < 2) return 2;
        if (!strcmp(verb, "open")) {
            snprintf(path, sizeof path, "%s/log", rest);
            log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
            snprintf(path, sizeof path, "%s/later", rest);
            later = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
            if (!strcmp(mode, "mapped")) {
                int map = open(path, O_RDWR);
                if (ftruncate(map, 1) || mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0) == MAP_FAILED) return 5;
                close(map);
            }
            if (log < 0 || later < 0) { printf("err %s open\n", id); fflush(stdout); continue; }
            printf("ack %s %s\n", id, words);
        } else if (!strcmp(verb, "put") || !strcmp(verb, "del")) {
            int failed = write(log, line, strlen(line)) != (ssize_t)strlen(line) || fsync(log) != 0;
            if (failed && !careless) printf("err %s failed\n", id); else printf("ack %s\n", id);
        } else {
            printf("ack %s\n", id);
        }
        fflush(stdout);
        if (later >= 0) for (int i = 0; i < 3; i++) if (write(later, id, strlen(id)) < 0) return 3;
        if (!strcmp(verb, "close")) { close(log); close(later); later = -1; }
    }
    return 0;
}
