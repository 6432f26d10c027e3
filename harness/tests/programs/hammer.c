/* Makes one kind of call many times and prints on standard error how many nanoseconds each took. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 4 || chdir(argv[1]) != 0) return 2;
    int count = atoi(argv[3]), sync = !strcmp(argv[2], "fdatasync");
    int harmless = !strcmp(argv[2], "getppid");
    char bytes[100];
    memset(bytes, 'x', sizeof bytes);
    int file = open("hammered", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++) {
        if (harmless) { getppid(); continue; }
        if (sync ? fdatasync(file) : pwrite(file, bytes, sizeof bytes, i % 1000 * 100) < 0) return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double took = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
    fprintf(stderr, "%.0f\n", took / count);
    return 0;
}
