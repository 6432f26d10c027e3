"""A log in segments, with a planted bug, for the tests of causes: `segments.py HOW`.

A write goes to the last segment; `sync` makes durable what was written. Each segment takes a few records.
  last   `sync` syncs the last segment alone: one that was full before is never synced
  none   a segment is synced before the next one is begun
"""
import json
import os
import sys
import zlib

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import applied, serve

CAPS = "del batch sync durable=sync reopen"
RECORDS = 5


class Store:
    def __init__(self, directory, how):
        self.dir, self.how, self.map, self.failed = directory, how, {}, None
        os.makedirs(directory, exist_ok=True)
        self.dirfd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        names = sorted(name for name in os.listdir(directory) if name.endswith(".seg"))
        self.count = 0
        for name in names:
            self.count = self.replay(os.path.join(directory, name))
        self.number = int(names[-1][:6]) if names else 0
        self.begin()
        os.fsync(self.log)

    def begin(self):
        path = os.path.join(self.dir, f"{self.number:06}.seg")
        self.log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.fsync(self.dirfd)

    def replay(self, path):
        with open(path, "rb") as file:
            data = file.read()
        at, count = 0, 0
        # A record that is not whole ends the segment.
        while body := self.record(data, at):
            applied(self.map, json.loads(body))
            at, count = at + 18 + len(body), count + 1
        if at < len(data):
            fd = os.open(path, os.O_WRONLY)
            os.ftruncate(fd, at)
            os.fsync(fd)
            os.close(fd)
        return count

    def record(self, data, at):
        try:
            length = int(data[at + 9:at + 17], 16)
        except ValueError:
            return b""
        body = data[at + 18:at + 18 + length]
        return body if data[at:at + 8] == b"%08x" % zlib.crc32(body) else b""

    def guarded(self, work):
        if self.failed:
            raise OSError(f"read only after: {self.failed}")
        try:
            work()
        except OSError as error:
            self.failed = error
            raise

    def commit(self, changes):
        self.guarded(lambda: self.keep(changes))
        applied(self.map, changes)

    def keep(self, changes):
        if self.count == RECORDS:
            if self.how == "none":
                os.fsync(self.log)
            os.close(self.log)
            self.number, self.count = self.number + 1, 0
            self.begin()
        body = json.dumps(changes).encode()
        record = b"%08x %08x " % (zlib.crc32(body), len(body)) + body
        while record:
            record = record[os.write(self.log, record):]
        self.count += 1

    def sync(self):
        self.guarded(lambda: os.fsync(self.log))

    def close(self):
        os.close(self.log)
        os.close(self.dirfd)


serve(lambda directory: Store(directory, sys.argv[1]), CAPS)
