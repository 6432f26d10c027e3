"""A store that appends a record for each commit to `log`, with a checksum, for the tests of causes: `appends.py HOW`.

  none    recovery ends at the first record that is not whole, and cuts the log back to it
  drops   recovery cuts the whole log back where a record is not whole
  blind   the checksum is of the record's length alone
  both    both
"""
import json
import os
import sys
import zlib

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import applied, pwrite_all, serve

CAPS = "del batch durable=ack order=prefix reopen"


class Store:
    def __init__(self, directory, how):
        self.how, self.map, self.failed = how, {}, None
        os.makedirs(directory, exist_ok=True)
        self.fd = os.open(os.path.join(directory, "log"), os.O_RDWR | os.O_CREAT, 0o644)
        self.end = self.replayed(self.whole_log())
        os.ftruncate(self.fd, self.end)
        os.fsync(self.fd)
        dirfd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(dirfd)
        os.close(dirfd)

    def whole_log(self):
        data = b""
        while piece := os.pread(self.fd, 1 << 20, len(data)):
            data += piece
        return data

    def replayed(self, data):
        end = 0
        while end < len(data):
            head, record, after = data[end:end + 8], b"", 0
            if len(head) == 8:
                size = int.from_bytes(head[:4], "little")
                record, after = data[end + 8:end + 8 + size], end + 8 + size
            if not record or len(record) < size or self.sum(record) != head[4:]:
                # Lost with what is torn, or kept.
                if self.how in ("drops", "both"):
                    self.map, end = {}, 0
                break
            text = "".join(chr(byte) if 32 < byte < 127 else "?" for byte in record)
            applied(self.map, self.changes_of(text))
            end = after
        return end

    def changes_of(self, text):
        """Pairs as `K=V`, and `K` alone of what is deleted."""
        parts = (one.partition("=") for one in text.split("&"))
        return [(key, value if equal else None) for key, equal, value in parts]

    def sum(self, record):
        whole = str(len(record)).encode() if self.how in ("blind", "both") else record
        return zlib.crc32(whole).to_bytes(4, "little")

    def commit(self, changes):
        if self.failed:
            raise OSError(f"read only after: {self.failed}")
        record = "&".join(k if v is None else f"{k}={v}" for k, v in changes).encode()
        try:
            frame = len(record).to_bytes(4, "little") + self.sum(record) + record
            pwrite_all(self.fd, frame, self.end)
            os.fsync(self.fd)
        except OSError as error:
            self.failed = error
            raise
        self.end += len(frame)
        applied(self.map, changes)

    def close(self):
        os.close(self.fd)


serve(lambda directory: Store(directory, sys.argv[1]), CAPS)
