#!/usr/bin/env python3
"""diskcache: a cache in an SQLite file, with a file beside it for each value of 32 KiB and more.

    pip install --target /tmp/pip diskcache
    unplug run -- python3 harness/drivers/diskcache_driver.py /tmp/pip

Its default settings are `sqlite_journal_mode: wal` and `sqlite_synchronous: 1  # NORMAL` (core.py, 5.6.3), and
SQLite says of these two: "WAL mode does lose durability. A transaction committed in WAL mode with
synchronous=NORMAL might roll back following a power loss". `Disk._write` writes the values' own files without
any fsync. Inside `transact`, `Cache._transact` removes the files of replaced values before the outer COMMIT, so
even a kill loses those. `durable=ack` is how a user reads a `set` that returned True.
"""
import sys

sys.path.insert(0, sys.argv[1])
from diskcache import Cache  # noqa: E402

CAPABILITIES = "del batch durable=ack reopen"


def change(cache, words):
    """Does `put K V` and `del K`, one after the other."""
    while words:
        if words[0] == "put":
            cache.set(words[1], words[2])
            words = words[3:]
        else:
            cache.delete(words[1])
            words = words[2:]


def serve():
    cache = None
    for line in sys.stdin:
        number, word, *words = line.rstrip("\n").split(" ")
        reply = ""
        try:
            if word == "open":
                cache = Cache(" ".join(words), eviction_policy="none")
            elif word in ("put", "del"):
                change(cache, [word, *words])
            elif word == "batch":
                with cache.transact():
                    change(cache, words)
            elif word == "dump":
                pairs = ((key, cache.get(key)) for key in cache)  # None: its file is gone, a miss
                reply = "".join(f"have {number} {k} {v}\n" for k, v in pairs if v is not None)
            elif word == "close":
                cache.close()
            else:
                raise ValueError(f"unknown request {word}")
            reply += f"ack {number}{' ' + CAPABILITIES if word == 'open' else ''}\n"
        except Exception as error:  # unpickling damaged bytes may raise anything
            reply = f"{'refused' if word == 'open' else 'err'} {number} {' '.join(repr(error).split())}\n"
        sys.stdout.write(reply)
        sys.stdout.flush()


serve()
