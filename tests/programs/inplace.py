"""A store whose log starts over in place, with planted bugs, for the tests of replay: `inplace.py BUG,BUG,...`.

snap: the whole map. wal: a header (magic, epoch, checksum), then frames (checksum, epoch, length, payload), the
changes since the snapshot. A checkpoint writes a new snapshot and starts the wal over: epoch + 1 in the header,
frames overwrite the old ones. Bugs:
  rename  the directory is not synced after the snapshot's rename
  header  the new header is not synced before frames follow it
`none` is the store without a bug.
"""
import json
import os
import struct
import sys
import zlib

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import Refused, applied, pwrite_all, serve

HEAD = struct.Struct("<4sII")     # magic, epoch, crc
FRAME = struct.Struct("<III")     # crc, epoch, length


class Store:
    def __init__(self, directory, bugs):
        self.dir, self.bugs = directory, bugs
        os.makedirs(directory, exist_ok=True)
        self.dirfd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.map = self.read_snapshot()
        path = os.path.join(directory, "wal")
        new = not os.path.exists(path)
        self.wal = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.epoch, self.end, self.failed = 1, HEAD.size, None
        data = b"" if new else self.read_wal()
        if len(data) < HEAD.size:
            self.write_head()
        else:
            self.replay(data)
        os.fsync(self.wal)
        os.fsync(self.dirfd)

    def read_snapshot(self):
        try:
            with open(os.path.join(self.dir, "snap"), "rb") as f:
                raw = f.read()
        except FileNotFoundError:
            return {}
        if len(raw) < 4 or zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "little"):
            raise Refused("snapshot checksum")
        return json.loads(raw[4:])

    def read_wal(self):
        size = os.fstat(self.wal).st_size
        out = b""
        while len(out) < size:
            part = os.pread(self.wal, size - len(out), len(out))
            if not part:
                break
            out += part
        return out

    def write_head(self):
        raw = struct.pack("<4sI", b"TWAL", self.epoch)
        pwrite_all(self.wal, raw + struct.pack("<I", zlib.crc32(raw)), 0)

    def replay(self, data):
        magic, self.epoch, crc = HEAD.unpack_from(data)
        if zlib.crc32(data[:8]) != crc or magic != b"TWAL":
            raise Refused("wal header")
        at = HEAD.size
        while at + FRAME.size <= len(data):
            crc, epoch, length = FRAME.unpack_from(data, at)
            body = data[at + 4:at + FRAME.size + length]
            if epoch != self.epoch or len(body) != 8 + length or zlib.crc32(body) != crc:
                break
            applied(self.map, json.loads(body[8:]))
            at += FRAME.size + length
        self.end = at

    def commit(self, changes):
        if self.failed:
            raise OSError(f"store is read only after: {self.failed}")
        raw = json.dumps(changes).encode()
        body = struct.pack("<II", self.epoch, len(raw)) + raw
        try:
            pwrite_all(self.wal, struct.pack("<I", zlib.crc32(body)) + body, self.end)
            os.fdatasync(self.wal)
        except OSError as error:
            self.failed = error
            raise
        self.end += 4 + len(body)
        applied(self.map, changes)

    def checkpoint(self):
        if self.failed:
            raise OSError(f"store is read only after: {self.failed}")
        raw = json.dumps(self.map).encode()
        tmp, snap = (os.path.join(self.dir, n) for n in ("snap.tmp", "snap"))
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            pwrite_all(fd, zlib.crc32(raw).to_bytes(4, "little") + raw, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(tmp, snap)
        if "rename" not in self.bugs:
            os.fsync(self.dirfd)
        # The log starts over in place.
        try:
            self.epoch += 1
            self.end = HEAD.size
            self.write_head()
            if "header" not in self.bugs:
                os.fdatasync(self.wal)
        except OSError as error:
            self.failed = error
            raise

    def close(self):
        os.close(self.wal)
        os.close(self.dirfd)


CAPS = "del batch checkpoint durable=ack order=prefix reopen"
bugs = set(sys.argv[1].split(",")) if len(sys.argv) > 1 else set()
serve(lambda directory: Store(directory, bugs), CAPS)
