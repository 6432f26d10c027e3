"""A log that is written anew each time it is opened, for the tests of replay: `rewrites.py HOW`.

  inplace  the log is emptied and written: a crash in between loses it
  none     the new log is written under another name, synced and renamed over the old
"""
import json
import os
import sys
import zlib

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import applied, serve

CAPS = "del batch durable=ack order=prefix reopen"


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def line(changes):
    body = json.dumps(changes)
    return f"{zlib.crc32(body.encode()):08x} {body}\n".encode()


def synced(path, how):
    fd = os.open(path, os.O_RDONLY)
    how(fd)
    os.close(fd)


class Store:
    def __init__(self, directory, how):
        self.path, self.map, self.failed = os.path.join(directory, "log"), {}, None
        os.makedirs(directory, exist_ok=True)
        for good in self.good_lines():
            applied(self.map, good)
        data = line(list(self.map.items()))
        name = self.path if how == "inplace" else self.path + ".new"
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        write_all(fd, data)
        os.fsync(fd)
        os.close(fd)
        if how != "inplace":
            os.rename(name, self.path)
        synced(directory, os.fsync)
        self.log = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def good_lines(self):
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as file:
            for one in file.read().split(b"\n")[:-1]:
                if one[:8] != b"%08x" % zlib.crc32(one[9:]):
                    break
                yield json.loads(one[9:])

    def commit(self, changes):
        if self.failed:
            raise OSError(f"read only after: {self.failed}")
        try:
            write_all(self.log, line(changes))
            os.fsync(self.log)
        except OSError as error:
            self.failed = error
            raise
        applied(self.map, changes)

    def close(self):
        os.close(self.log)


serve(lambda directory: Store(directory, sys.argv[1]), CAPS)
