/* A child holds a lease on a file; its parent's open of it blocks until the child lets go, which it does
   only after a write of its own: a recorder that made the child wait for the parent would wait for ever. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(long result) { if (result < 0) { perror("lease"); exit(1); } }

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    int told[2], file = open("leased", O_RDWR | O_CREAT, 0644);
    check(file); close(file); check(pipe(told));
    sigset_t set; sigemptyset(&set); sigaddset(&set, SIGIO); sigprocmask(SIG_BLOCK, &set, NULL);
    if (fork() == 0) {
        int mine = open("leased", O_RDWR); check(mine);
        if (fcntl(mine, F_SETLEASE, F_WRLCK) < 0) { check(write(told[1], "n", 1)); _exit(0); }
        check(write(told[1], "y", 1));
        int signal_number; sigwait(&set, &signal_number);
        int other = open("other", O_WRONLY | O_CREAT, 0644); check(other);
        check(write(other, "before", 6));
        check(fcntl(mine, F_SETLEASE, F_UNLCK));
        _exit(0);
    }
    char byte; check(read(told[0], &byte, 1));
    if (byte == 'n') return 77;
    int theirs = open("leased", O_WRONLY); check(theirs);
    check(write(theirs, "after", 5));
    wait(NULL);
    return 0;
}
