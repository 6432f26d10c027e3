/* Forks, vforks, execs (also from a thread that is not the first), a shared file description across
   processes, and a child that outlives its parent. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *self;
static void check(long result) { if (result < 0) { perror("forks"); exit(1); } }
static void put(const char *name, const char *text) {
    int file = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);
    check(file); check(write(file, text, strlen(text))); check(close(file));
}
static void *sleeper(void *argument) { for (;;) pause(); return argument; }
static void *replace(void *argument) {
    execl(self, self, ".", "exec", "from a thread", NULL);
    exit(1);
    return argument;
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    self = "/proc/self/exe";
    if (argc == 4) { put(argv[2], argv[3]); return 0; }
    int shared = open("shared", O_WRONLY | O_CREAT, 0644);
    check(shared);
    for (int i = 0; i < 5; i++) {
        char text[32];
        int length = snprintf(text, sizeof text, "%d from %s;", i, "the parent");
        check(write(shared, text, length));
        if (fork() == 0) {
            length = snprintf(text, sizeof text, "%d from %s;", i, "a child");
            check(write(shared, text, length));
            if (fork() == 0) { put("grandchild", "!"); _exit(0); }
            wait(NULL);
            _exit(0);
        }
        wait(NULL);
        if (vfork() == 0) { execl(self, self, ".", "vforked", "v", NULL); _exit(1); }
        wait(NULL);
        if (fork() == 0) {
            pthread_t other;
            pthread_create(&other, NULL, sleeper, NULL);
            pthread_create(&other, NULL, replace, NULL);
            for (;;) pause();
        }
        wait(NULL);
    }
    int told[2]; check(pipe(told));
    if (fork() == 0) {
        setsid(); signal(SIGHUP, SIG_IGN); signal(SIGTERM, SIG_IGN);
        put("daemon", "alive"); check(write(told[1], "x", 1));
        for (;;) pause();
    }
    char byte; check(read(told[0], &byte, 1));
    return 0;
}
