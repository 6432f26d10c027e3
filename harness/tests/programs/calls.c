/* Uses each call that the recorder models at least once, in the directory given as its argument. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void must(long result, int line) {
    if (result < 0) { fprintf(stderr, "line %d: %s\n", line, strerror(errno)); exit(1); }
}
#define MUST(call) must((long)(call), __LINE__)

int main(int argc, char **argv) {
    char big[20000], path[4096], cwd[4096];
    if (argc < 2 || chdir(argv[1]) != 0) return 2;
    memset(big, 'b', sizeof big);
    MUST(getcwd(cwd, sizeof cwd) != NULL ? 0 : -1);

    /* the write family */
    int a = open("a", O_RDWR | O_CREAT | O_TRUNC, 0644); MUST(a);
    MUST(write(a, "hello ", 6));
    MUST(write(a, "world", 5));
    MUST(pwrite(a, big, sizeof big, 100));
    struct iovec two[2] = {{"one", 3}, {"two2", 4}};
    MUST(writev(a, two, 2));
    MUST(pwritev(a, two, 2, 5000));
    MUST(pwritev2(a, two, 2, -1, RWF_DSYNC));
    MUST(pwritev2(a, two, 2, 30, RWF_APPEND));
    MUST(lseek(a, 40000, SEEK_SET));
    MUST(write(a, "after a hole", 12));
    int b = openat(AT_FDCWD, "b", O_WRONLY | O_CREAT | O_APPEND | O_DSYNC, 0600); MUST(b);
    MUST(write(b, "appended", 8));
    MUST(pwrite(b, "and this too, wherever it was sent", 34, 0));
    int sync_file = open("sync", O_WRONLY | O_CREAT | O_SYNC, 0644); MUST(sync_file);
    MUST(write(sync_file, big, 5000));
    int creat_file = creat("c", 0644); MUST(creat_file);
    MUST(write(creat_file, big, 100));
    /* a second description of the same file, and a duplicate of the first */
    int again = open("a", O_WRONLY); MUST(again);
    MUST(write(again, "HELLO", 5));
    int copy = dup(again); MUST(copy);
    MUST(write(copy, "WORLD", 5));

    /* copies */
    loff_t from = 0, to = 7;
    MUST(copy_file_range(a, &from, creat_file, &to, 3000, 0));
    off_t at = 10;
    MUST(lseek(creat_file, 3500, SEEK_SET));
    MUST(sendfile(creat_file, a, &at, 2500));
    int pipes[2]; MUST(pipe(pipes));
    MUST(write(pipes[1], "through a pipe", 14));
    to = 9000;
    MUST(splice(pipes[0], NULL, creat_file, &to, 14, 0));
    if (ioctl(creat_file, FICLONE, a) < 0) { /* not every file system can */ }

    /* sizes */
    MUST(ftruncate(a, 30000));
    MUST(ftruncate(a, 50001));
    MUST(truncate("b", 11));
    MUST(fallocate(a, 0, 60000, 5000));
    MUST(fallocate(a, FALLOC_FL_KEEP_SIZE, 100000, 5000));
    MUST(fallocate(a, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 9000));
    if (fallocate(a, FALLOC_FL_ZERO_RANGE, 63000, 5000) < 0) { /* tmpfs cannot */ }
    int trunc = open("sync", O_WRONLY | O_TRUNC); MUST(trunc);
    MUST(write(trunc, "short", 5));

    /* names */
    MUST(mkdir("dir", 0755));
    int dir = open("dir", O_RDONLY | O_DIRECTORY); MUST(dir);
    MUST(mkdirat(dir, "sub/", 0700));
    MUST(mkdir("gone", 0755));
    MUST(rmdir("gone"));
    MUST(mkdir("gone2", 0755));
    MUST(unlinkat(AT_FDCWD, "gone2", AT_REMOVEDIR));
    int inside = openat(dir, "sub/../inside", O_RDWR | O_CREAT | O_EXCL, 0644); MUST(inside);
    MUST(write(inside, "in a directory", 14));
    MUST(link("a", "a-link"));
    MUST(linkat(dir, "inside", AT_FDCWD, "inside-link", 0));
    MUST(symlink("dir/inside", "symbolic"));
    MUST(symlinkat("../nowhere", dir, "dangling"));
    int through = open("symbolic", O_WRONLY | O_APPEND); MUST(through);
    MUST(write(through, " by its link", 12));
    int made = open("dir/dangling", O_WRONLY | O_CREAT, 0644); MUST(made);
    MUST(write(made, "through a dangling link", 23));
    MUST(rename("c", "c2"));
    MUST(write(creat_file, "c still", 7));
    MUST(renameat(AT_FDCWD, "c2", dir, "c3"));
    MUST(mknod("node", S_IFREG | 0644, 0));
    MUST(mknodat(dir, "fifo", S_IFIFO | 0644, 0));
    MUST(syscall(SYS_renameat2, AT_FDCWD, "node", dir, "node2", RENAME_NOREPLACE));
    MUST(syscall(SYS_renameat2, dir, "node2", dir, "inside", RENAME_EXCHANGE));
    if (syscall(SYS_renameat2, dir, "node2", dir, "inside", RENAME_NOREPLACE) == 0) return 3;
    MUST(rename("a-link", "a"));
    MUST(unlink("a-link"));
    MUST(rename("sync", "b"));
    MUST(rename("dir/sub", "sub"));
    MUST(rename("dir", "sub/moved"));
    MUST(write(made, "!", 1));
    int deep = open("sub/moved/new", O_WRONLY | O_CREAT, 0644); MUST(deep);
    MUST(unlinkat(dir, "new", 0));
    MUST(write(deep, "without a name", 14));
    int unnamed = open(".", O_TMPFILE | O_RDWR, 0644);
    if (unnamed >= 0) {
        MUST(write(unnamed, "no name yet", 11));
        snprintf(path, sizeof path, "/proc/self/fd/%d", unnamed);
        MUST(linkat(AT_FDCWD, path, dir, "named", AT_SYMLINK_FOLLOW));
        int other = open(path, O_WRONLY | O_APPEND); MUST(other);
        MUST(write(other, ", now one", 9));
    }
    struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644, .resolve = RESOLVE_BENEATH};
    int two_at = syscall(SYS_openat2, dir, "by-openat2", &how, sizeof how); MUST(two_at);
    MUST(write(two_at, "2", 1));
    snprintf(path, sizeof path, "/dev/fd/%d", two_at);
    int dev = open(path, O_WRONLY | O_TRUNC); MUST(dev);
    MUST(write(dev, "three", 5));
    MUST(chdir("sub"));
    int relative = open("../relative", O_WRONLY | O_CREAT, 0644); MUST(relative);
    MUST(write(relative, "from below", 10));
    MUST(chdir(".."));
    int sock = socket(AF_UNIX, SOCK_STREAM, 0); MUST(sock);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    MUST(bind(sock, (struct sockaddr *)&address, sizeof address));
    MUST(unlink("socket"));
    /* an inode number used again is another file */
    for (int i = 0; i < 3; i++) {
        int reused = open("reused", O_WRONLY | O_CREAT | O_EXCL, 0644); MUST(reused);
        MUST(write(reused, &"xyz"[i], 1));
        MUST(close(reused));
        if (i < 2) MUST(unlink("reused"));
    }

    /* syncs */
    MUST(fsync(a)); MUST(fdatasync(b)); MUST(fsync(dir));
    MUST(sync_file_range(a, 0, 100, SYNC_FILE_RANGE_WRITE));
    MUST(syncfs(a));
    sync();

    /* a shared mapping, grown, protected, unmapped */
    char *map = mmap(NULL, 60000, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
    MUST(map == MAP_FAILED ? -1 : 0);
    memcpy(map + 10000, "stored", 6);
    MUST(msync(map, 60000, MS_SYNC));
    memcpy(map + 20000, "stored later", 12);
    MUST(write(relative, ".", 1));
    memcpy(map + 30000, "stored last", 11);
    MUST(msync(map, 60000, MS_ASYNC));
    char *late = mmap(NULL, 4096, PROT_READ, MAP_SHARED, inside, 0);
    MUST(late == MAP_FAILED ? -1 : 0);
    MUST(mprotect(late, 4096, PROT_READ | PROT_WRITE));
    late[2] = 'X';
    MUST(munmap(late, 4096));
    memcpy(map + 40000, "and unmapped", 12);
    MUST(munmap(map, 60000));

    /* failures have no effect */
    if (open("missing/file", O_CREAT | O_WRONLY, 0644) >= 0) return 3;
    if (mkdir("dir/x/y", 0755) == 0 || unlink("missing") == 0) return 3;
    if (write(dir, "x", 1) >= 0) return 3;
    /* outside */
    int null = open("/dev/null", O_WRONLY); MUST(null);
    MUST(write(null, big, sizeof big));
    return 0;
}
