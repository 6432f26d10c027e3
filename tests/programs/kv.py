"""A small store with planted bugs, for the tests of replay: `kv.py BUG,BUG,... [STYLE]`.

A log of frames. At a checkpoint, and when it is opened, the store writes all it holds to a new log, which takes
the old one's name. Bugs:
  early    a write is acknowledged before it is in the log: a kill loses it
  nosync   what is acknowledged is not synced: a power cut takes it
  nocheck  nothing is compared with its checksum: damaged bytes are believed
  ignore   a failed sync is ignored: what it had to write is lost
`none` is the store without a bug. Styles:
  plain       this
  refactored  other code that makes the same calls
  random      a new file is called otherwise each time, until it takes its name
  other       no log: each commit writes everything to a new file, which takes the old one's name
"""
import json
import os
import random
import struct
import sys
import zlib

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import Refused, applied, pwrite_all, say, serve

CAPS = "del batch checkpoint durable=ack order=prefix corruption=detected reopen"
MAGIC = b"klog\n"
FRAME = struct.Struct("<II")  # checksum, length


def read_all(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


class Store:
    def __init__(self, directory, bugs):
        self.dir, self.bugs, self.failed, self.waiting = directory, bugs, None, None
        os.makedirs(directory, exist_ok=True)
        self.dirfd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def replace(self, name, data, bug=None):
        """A new file of this name, whole or not at all; its descriptor."""
        new = self.path(self.unfinished(name))
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            pwrite_all(fd, data, 0)
            self.synced(os.fsync, fd)
            os.rename(new, self.path(name))
        except OSError:
            os.close(fd)
            raise
        if bug is None or bug not in self.bugs:
            os.fsync(self.dirfd)
        return fd

    def unfinished(self, name):
        return name + ".tmp"

    def synced(self, sync, fd):
        try:
            sync(fd)
        except OSError:
            if "ignore" not in self.bugs:
                raise

    def guarded(self, work):
        """Nothing is written after a failure: what is in the files then is not known."""
        if self.failed:
            raise OSError(f"read only after: {self.failed}")
        try:
            work()
        except OSError as error:
            self.failed = error
            raise

    def flush(self):
        if self.waiting is not None:
            changes, self.waiting = self.waiting, None
            self.keep(changes)

    def commit(self, changes):
        def work():
            self.flush()
            if "early" in self.bugs:
                self.waiting = changes
            else:
                self.keep(changes)
        self.guarded(work)
        self.map = applied(self.map, changes)

    def checkpoint(self):
        def work():
            self.flush()
            self.condense()
        self.guarded(work)

    def close(self):
        if not self.failed:
            self.guarded(self.flush)
        self.end_files()
        os.close(self.dirfd)


class Log(Store):
    def start(self):
        # What is found must be durable before anything rests on it.
        os.fsync(self.dirfd)
        self.map, self.log = {}, -1
        if os.path.exists(self.path("log")):
            self.replay(read_all(self.path("log")))
        self.begin()

    def begin(self):
        data = MAGIC + (self.frame(list(self.map.items())) if self.map else b"")
        new = self.replace("log", data)
        if self.log >= 0:
            os.close(self.log)
        self.log, self.end = new, len(data)

    def frame(self, changes):
        body = json.dumps(changes).encode()
        return FRAME.pack(zlib.crc32(body), len(body)) + body

    def replay(self, data):
        if data[:len(MAGIC)] != MAGIC:
            raise Refused("the log's head is damaged")
        at = len(MAGIC)
        while at + FRAME.size <= len(data):
            crc, length = FRAME.unpack_from(data, at)
            body = data[at + FRAME.size:at + FRAME.size + length]
            good = length > 0 and len(body) == length and zlib.crc32(body) == crc
            if not good and "nocheck" not in self.bugs:
                break
            self.map = applied(self.map, json.loads(body))
            at += FRAME.size + length
        if at != len(data):
            say(f"warn {len(data) - at} bytes at the end of the log are dropped")

    def keep(self, changes):
        frame = self.frame(changes)
        pwrite_all(self.log, frame, self.end)
        if "nosync" not in self.bugs:
            self.synced(os.fdatasync, self.log)
        self.end += len(frame)

    def condense(self):
        self.begin()

    def end_files(self):
        os.close(self.log)


class Refactored(Log):
    """Other code, the same calls."""

    def keep(self, changes):
        frame = memoryview(bytearray(b"".join(self.frame(batch) for batch in [changes])))
        done = 0
        while done < len(frame):
            done += os.pwrite(self.log, frame[done:], self.end + done)
        self.settle()
        self.end = self.end + done

    def settle(self):
        if "nosync" in self.bugs:
            return
        try:
            os.fdatasync(self.log)
        except OSError:
            if "ignore" not in self.bugs:
                raise


class Random(Log):
    """A new file has another name each time."""

    def unfinished(self, name):
        return "".join(random.choices("ghijklmnopqrstuvwxyz", k=9)) + "." + name


class Other(Store):
    def start(self):
        os.fsync(self.dirfd)
        self.map = {}
        if os.path.exists(self.path("all")):
            raw = read_all(self.path("all"))
            good = len(raw) > 4 and zlib.crc32(raw[4:]) == struct.unpack_from("<I", raw)[0]
            if good or "nocheck" in self.bugs:
                self.map = json.loads(raw[4:])
            else:
                say("warn the file is damaged, and all that was in it is lost")
        self.write(self.map)

    def write(self, pairs):
        raw = json.dumps(pairs).encode()
        os.close(self.replace("all", struct.pack("<I", zlib.crc32(raw)) + raw, "nosync"))

    def keep(self, changes):
        self.write(applied(dict(self.map), changes))

    def condense(self):
        self.write(self.map)

    def end_files(self):
        pass


STYLES = {"plain": Log, "refactored": Refactored, "random": Random, "other": Other}


bugs = set(sys.argv[1].split(",")) if len(sys.argv) > 1 else set()
style = STYLES[sys.argv[2] if len(sys.argv) > 2 else "plain"]
serve(lambda directory: style(directory, bugs), CAPS)
