/* A correct store (a checked log, synced with each write) that does one thing in a way that a recorder may
 * not see, or needs something that it may not get:
 *   plain                      nothing unusual
 *   vmsplice tee splice sendfile   how it prints its answers
 *   handed                     a child, given the pipe by pidfd, prints them
 *   chroot bind                what its paths mean
 *   32bit                      how it writes
 *   inroot beneath             how it opens its log
 *   uring aio                  it needs a ring, and dies without one
 *   uring-err                  it needs one for writing, and answers errors without
 *   zero                       it needs fallocate(ZERO_RANGE)
 *   never                      it does not run anywhere
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *mode;
static int log_fd = -1, ring = -1;
static struct { char *key, *value; } *pairs;
static size_t count;

static int is(const char *name) { return strcmp(mode, name) == 0; }
static void check(long result, const char *what) { if (result < 0) { perror(what); exit(3); } }

static void say(const char *text) {
    size_t len = strlen(text);
    int ends[2];
    if (is("vmsplice")) {
        /* The pages belong to the pipe until they are read: never the same twice. */
        char *page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(page, text, len);
        while (len > 0) {
            struct iovec piece = {page, len};
            long done = vmsplice(1, &piece, 1, 0);
            check(done, "vmsplice");
            page += done; len -= (size_t)done;
        }
    } else if (is("tee") || is("splice")) {
        while (len > 0) {
            size_t part = len < 4096 ? len : 4096;
            char rest[4096];
            check(pipe(ends), "pipe");
            check(write(ends[1], text, part), "write");
            if (is("tee")) {
                check(tee(ends[0], 1, part, 0) == (long)part ? 0 : -1, "tee");
                check(read(ends[0], rest, part), "read");
            } else {
                check(splice(ends[0], NULL, 1, NULL, part, 0) == (long)part ? 0 : -1, "splice");
            }
            close(ends[0]); close(ends[1]);
            text += part; len -= part;
        }
    } else if (is("sendfile")) {
        int file = memfd_create("answer", 0);
        check(write(file, text, len), "write");
        off_t from = 0;
        while (len > 0) {
            long done = sendfile(1, file, &from, len);
            check(done, "sendfile");
            len -= (size_t)done;
        }
        close(file);
    } else {
        while (len > 0) {
            long done = write(1, text, len);
            check(done, "write");
            text += done; len -= (size_t)done;
        }
    }
}

static void answer(const char *word, const char *id, const char *more) {
    char line[256];
    snprintf(line, sizeof line, "%s %s%s%s\n", word, id, *more ? " " : "", more);
    say(line);
}

static uint32_t sum(const char *text, size_t len) {
    uint32_t hash = 2166136261u;
    while (len-- > 0) hash = (hash ^ (unsigned char)*text++) * 16777619u;
    return hash;
}

static void set(const char *key, const char *value) {
    for (size_t at = 0; at < count; at++)
        if (strcmp(pairs[at].key, key) == 0) { pairs[at].value = strdup(value); return; }
    pairs = realloc(pairs, (count + 1) * sizeof *pairs);
    pairs[count].key = strdup(key);
    pairs[count++].value = strdup(value);
}

static void append(const char *record, size_t len) {
#ifdef __x86_64__
    if (is("32bit")) {
        int result;
        char *low = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        memcpy(low, record, len);
        __asm__ volatile("int $0x80" : "=a"(result)
                         : "a"(4), "b"(log_fd), "c"(low), "d"((int)len) : "memory");
        check(result == (int)len ? 0 : -1, "write");
        munmap(low, len);
        return;
    }
#endif
    while (len > 0) {
        long done = write(log_fd, record, len);
        check(done, "write");
        record += done; len -= (size_t)done;
    }
}

/* Reads what checks out, and cuts off the rest. */
static void recover(void) {
    struct stat status;
    check(fstat(log_fd, &status), "fstat");
    char *text = malloc((size_t)status.st_size + 1);
    for (off_t from = 0; from < status.st_size;) {
        long done = pread(log_fd, text + from, (size_t)(status.st_size - from), from);
        check(done > 0 ? done : -1, "read");
        from += done;
    }
    text[status.st_size] = 0;
    char *at = text, *end = text + status.st_size;
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline || newline - at < 12 || at[8] != ' ') break;
        if (memchr(at, 0, (size_t)(newline - at))) break;
        if (strtoul(at, NULL, 16) != sum(at + 9, (size_t)(newline - at - 9))) break;
        *newline = 0;
        char *value = strchr(at + 9, ' ');
        if (!value) break;
        *value = 0;
        set(at + 9, value + 1);
        at = newline + 1;
    }
    check(ftruncate(log_fd, at - text), "ftruncate");
    check(fsync(log_fd), "fsync");
    check(lseek(log_fd, 0, SEEK_END), "lseek");
    free(text);
}

static int open_log(const char *dir) {
    char path[4096];
    int flags = O_RDWR | O_CREAT;
    if (is("chroot")) {
        check(chroot(dir), "chroot");
        check(chdir("/"), "chdir");
        return open("/log", flags, 0644);
    }
    if (is("bind")) {
        char view[4096];
        snprintf(path, sizeof path, "%s/real", dir);
        snprintf(view, sizeof view, "%s/view", dir);
        mkdir(path, 0755); mkdir(view, 0755);
        check(unshare(CLONE_NEWNS), "unshare");
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
        check(mount(path, view, NULL, MS_BIND, NULL), "mount");
        snprintf(path, sizeof path, "%s/view/log", dir);
        return open(path, flags, 0644);
    }
    if (is("inroot") || is("beneath")) {
        int root = open(dir, O_RDONLY | O_DIRECTORY);
        struct open_how how = {.flags = (uint64_t)flags, .mode = 0644};
        how.resolve = is("inroot") ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
        const char *name = is("inroot") ? "/../log" : "log";
        return (int)syscall(SYS_openat2, root, name, &how, sizeof how);
    }
    snprintf(path, sizeof path, "%s/log", dir);
    return open(path, flags, 0644);
}

static void open_store(const char *id, const char *dir) {
    char room[256];
    memset(room, 0, sizeof room);
    if (is("never")) exit(3);
    if (is("uring") || is("uring-err")) ring = (int)syscall(SYS_io_uring_setup, 8, room);
    if (is("uring")) check(ring, "io_uring_setup");
    if (is("aio")) { unsigned long context = 0; check(syscall(SYS_io_setup, 8, &context), "io_setup"); }
    int at = open(dir, O_RDONLY | O_DIRECTORY);
    check(at, "open");
    log_fd = open_log(dir);
    check(log_fd, "open");
    if (is("zero")) {
        int how = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
        check(fallocate(log_fd, how, lseek(log_fd, 0, SEEK_END), 4096), "fallocate");
    }
    recover();
    check(fsync(at), "fsync");
    if (is("bind")) {
        int real = openat(at, "real", O_RDONLY | O_DIRECTORY);
        check(fsync(real), "fsync");
        close(real);
    }
    close(at);
    answer("ack", id, "durable=ack");
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t room = 0;
    mode = argc > 1 ? argv[1] : "plain";
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *id = strtok(line, " "), *word = strtok(NULL, " ");
        if (!strcmp(word, "open")) {
            open_store(id, strtok(NULL, " "));
        } else if (!strcmp(word, "put")) {
            char *key = strtok(NULL, " "), *value = strtok(NULL, " ");
            size_t len = strlen(key) + strlen(value) + 11;
            char *record = malloc(len + 1);
            sprintf(record + 9, "%s %s\n", key, value);
            char check_sum[10];
            snprintf(check_sum, sizeof check_sum, "%08x ", sum(record + 9, len - 10));
            memcpy(record, check_sum, 9);
            if (is("uring-err") && ring < 0) { answer("err", id, "no ring"); continue; }
            append(record, len);
            check(fdatasync(log_fd), "fdatasync");
            set(key, value);
            free(record);
            answer("ack", id, "");
        } else if (!strcmp(word, "dump")) {
            for (size_t at = 0; at < count; at++) {
                size_t len = strlen(pairs[at].key) + strlen(pairs[at].value) + strlen(id) + 16;
                char *have = malloc(len);
                snprintf(have, len, "have %s %s %s\n", id, pairs[at].key, pairs[at].value);
                say(have);
                free(have);
            }
            answer("ack", id, "");
        } else {
            answer("ack", id, "");
        }
    }
    return 0;
}
