/* Does one thing that a recorder cannot see past, or must see all the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void check(long result) { if (result < 0) { perror("blind"); exit(1); } }
static int child(void *argument) {
    int file = open("from-a-hidden-child", O_WRONLY | O_CREAT, 0644);
    check(file); check(write(file, argument, 4));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || chdir(argv[1]) != 0) return 2;
    char *what = argv[2], stack[65536];
    int file = open("file", O_RDWR | O_CREAT, 0644); check(file);
    check(write(file, "0123456789", 10));
    if (!strcmp(what, "xattr")) {
        if (fsetxattr(file, "user.x", "y", 1, 0) < 0 && errno != EOPNOTSUPP) return 1;
    } else if (!strcmp(what, "uring")) {
        return syscall(SYS_io_uring_setup, 8, stack) == -1 && errno == ENOSYS ? 0 : 1;
    } else if (!strcmp(what, "seccomp")) {
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog program = {1, &allow};
        check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    } else if (!strcmp(what, "ptrace")) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
    } else if (!strcmp(what, "untraced")) {
        pid_t pid = clone(child, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, "seen");
        check(pid);
        int status; check(waitpid(pid, &status, 0));
        return status != 0;
    } else if (!strcmp(what, "32bit")) {
#ifdef __x86_64__
        int result; char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        strcpy(low, "unseen");
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(4), "b"(file), "c"(low), "d"(6) : "memory");
#endif
    } else if (!strcmp(what, "affinity")) {
        cpu_set_t set; check(sched_getaffinity(0, sizeof set, &set));
        printf("%d\n", CPU_COUNT(&set));
        fprintf(stderr, "%d", CPU_COUNT(&set));
        CPU_ZERO(&set); CPU_SET(0, &set); check(sched_setaffinity(0, sizeof set, &set));
    } else if (!strcmp(what, "madvise")) {
        char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        check(madvise(map, 4096, MADV_REMOVE) < 0 && errno != EOPNOTSUPP ? -1 : 0);
    } else if (!strcmp(what, "collapse")) {
        check(ftruncate(file, 3 * 4096));
        if (fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 4096, 4096) < 0) return errno == EOPNOTSUPP ? 77 : 1;
    } else if (!strcmp(what, "outside")) {
        int other = open("../outside", O_WRONLY | O_CREAT, 0644); check(other);
        check(write(other, "x", 1));
    } else if (!strcmp(what, "moved-in")) {
        int other = open("../outside", O_WRONLY | O_CREAT, 0644); check(other);
        check(write(other, "contents", 8));
        check(rename("../outside", "inside"));
        check(write(other, " and more", 9));
    } else if (!strcmp(what, "killed")) {
        kill(getpid(), SIGKILL);
    } else if (!strcmp(what, "stopped")) {
        if (fork() == 0) { usleep(50000); kill(getppid(), SIGCONT); _exit(0); }
        raise(SIGSTOP);
        check(write(file, "and on", 6));
        wait(NULL);
    } else return 2;
    return 0;
}
