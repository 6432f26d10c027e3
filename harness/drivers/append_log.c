/* A driver in C: an append-only log of lines, synced before each acknowledgement. No batches, no
 * deletes: a driver says how little it can do.
 *
 * Try it:  cc -O2 -o append_log harness/drivers/append_log.c && unplug run -- ./append_log
 * A line is `CHECKSUM KEY VALUE\n`. Recovery reads the log up to the first line that does not check
 * out, writes what it read to a new log beside, syncs it, renames it over the old one and syncs the
 * directory: a torn tail is never appended to. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[4096], path[4200], beside[4200];
static int log_fd = -1;
static uint32_t checksum(const char *s) {
    uint32_t sum = 2166136261u;
    for (; *s; s++) sum = (sum ^ (uint8_t)*s) * 16777619u;
    return sum;
}

/* Reads the next line that checks out; the pair after its checksum, or NULL at the end. */
static char *next_pair(FILE *log, char **line, size_t *room) {
    ssize_t len = getline(line, room, log);
    if (len < 10 || (*line)[len - 1] != '\n' || (*line)[8] != ' ') return NULL;
    (*line)[len - 1] = 0;
    char *end;
    uint32_t sum = (uint32_t)strtoul(*line, &end, 16);
    return end == *line + 8 && sum == checksum(*line + 9) ? *line + 9 : NULL;
}

static int append(int fd, const char *pair) {
    size_t len = strlen(pair) + 10;
    char *line = malloc(len + 1);
    if (!line) return -1;
    snprintf(line, len + 1, "%08x %s\n", checksum(pair), pair);
    size_t done = 0;
    for (ssize_t n; done < len && (n = write(fd, line + done, len - done)) > 0;) done += (size_t)n;
    free(line);
    return done == len ? 0 : -1;
}

static int open_store(void) {
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(beside, sizeof beside, "%s/log.new", dir);
    int new_fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    if (new_fd < 0) return -1;
    FILE *old = fopen(path, "r");
    char *line = NULL, *pair;
    size_t room = 0;
    int bad = 0;
    while (old && !bad && (pair = next_pair(old, &line, &room))) bad = append(new_fd, pair);
    free(line);
    if (old) fclose(old);
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    bad = bad || fsync(new_fd) || rename(beside, path) || dir_fd < 0 || fsync(dir_fd);
    if (dir_fd >= 0) close(dir_fd);
    if (bad) return close(new_fd), -1;
    log_fd = new_fd;
    return 0;
}

int main(void) {
    static char *line, *text, *seen;
    size_t room = 0, seen_room = 0;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        unsigned long id = strtoul(line, &text, 10);
        int bad = 0;
        if (!strncmp(text, " open ", 6)) {
            snprintf(dir, sizeof dir, "%s", text + 6);
            bad = open_store();
        } else if (!strncmp(text, " put ", 5)) {
            bad = append(log_fd, text + 5) || fdatasync(log_fd);
            if (bad) exit(1); /* the log may end in half a line: recovery drops it */
        } else if (!strncmp(text, " dump", 5)) {
            FILE *log = fopen(path, "r"); /* a key that was set twice: the last line counts */
            for (char *pair; log && (pair = next_pair(log, &seen, &seen_room));) {
                long here = ftell(log);
                size_t key = strcspn(pair, " ") + 1;
                char *mine = strdup(pair), *later;
                while ((later = next_pair(log, &seen, &seen_room)) && strncmp(later, mine, key)) {}
                if (!later) printf("have %lu %s\n", id, mine);
                free(mine);
                fseek(log, here, SEEK_SET);
            }
            if (log) fclose(log);
        } else if (!strncmp(text, " close", 6)) {
            bad = close(log_fd);
        } else {
            exit(2);
        }
        const char *words = strncmp(text, " open ", 6) ? "" : " durable=ack order=prefix reopen";
        printf(bad ? "err %lu failed\n" : "ack %lu%s\n", id, words);
        fflush(stdout);
    }
    return 0;
}
