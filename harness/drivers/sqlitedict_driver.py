#!/usr/bin/env python3
"""sqlitedict in WAL mode: a dict in an SQLite file, made permanent by `commit`.

    pip install --target /tmp/pip sqlitedict
    unplug run -- python3 harness/drivers/sqlitedict_driver.py /tmp/pip

`commit` says "Persist all data to disk", but `SqliteMultithread._connect` executes `PRAGMA synchronous=OFF`
whatever the journal mode (sqlitedict.py, 2.1.0), and SQLite says of OFF: "the database might become corrupted
if the operating system crashes or the computer loses power". `durable=ack` is how a user reads `commit`.
"""
import os
import sys

sys.path.insert(0, sys.argv[1])
from sqlitedict import SqliteDict  # noqa: E402

# Not `reopen`: an open that failed leaves a thread that closes its connection later.
CAPABILITIES = "del batch durable=ack"


def change(store, words):
    """Does `put K V` and `del K`, one after the other, and commits them together."""
    while words:
        if words[0] == "put":
            store[words[1]] = words[2]
            words = words[3:]
        else:
            store.pop(words[1], None)
            words = words[2:]
    store.commit()


def serve():
    store = None
    for line in sys.stdin:
        number, word, *words = line.rstrip("\n").split(" ")
        reply = ""
        try:
            if word == "open":
                store = SqliteDict(os.path.join(" ".join(words), "store.sqlite"), journal_mode="WAL")
            elif word in ("put", "del", "batch"):
                change(store, words if word == "batch" else [word, *words])
            elif word == "dump":
                reply = "".join(f"have {number} {key} {value}\n" for key, value in store.items())
            elif word == "close":
                store.close()
            else:
                raise ValueError(f"unknown request {word}")
            reply += f"ack {number}{' ' + CAPABILITIES if word == 'open' else ''}\n"
        except Exception as error:  # unpickling damaged bytes may raise anything
            reply = f"{'refused' if word == 'open' else 'err'} {number} {' '.join(repr(error).split())}\n"
        sys.stdout.write(reply)
        sys.stdout.flush()


serve()
