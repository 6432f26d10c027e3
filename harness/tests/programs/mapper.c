/* A store in a shared mapping of a large, sparse file, as some databases keep it: pages stored, synced,
   a header last. A second process stores into the same file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(long result) { if (result < 0) { perror("mapper"); exit(1); } }

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    size_t size = 1UL << 30;
    int file = open("map", O_RDWR | O_CREAT, 0644); check(file);
    check(ftruncate(file, size));
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    check(map == MAP_FAILED ? -1 : 0);
    close(file);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644); check(log);
    for (int i = 1; i <= 50; i++) {
        char *page = map + (size_t)i * 4096 * 37;
        memset(page, i, 4096);
        memset(page + 4096, i + 1, 100);
        check(msync(map, size, MS_SYNC));
        memcpy(map, &i, sizeof i);
        check(msync(map, 4096, MS_SYNC));
        check(write(log, ".", 1));
    }
    map[size - 1] = 'z';
    if (fork() == 0) { map[5000] = 'c'; _exit(0); }
    wait(NULL);
    check(write(log, "!", 1));
    map[6000] = 'd';
    return 0;
}
