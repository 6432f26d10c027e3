#!/usr/bin/env python3
"""A driver in Python: SQLite through the standard library's sqlite3.

Try it:  unplug run -- python3 harness/drivers/sqlite3_driver.py
The protocol is described in docs/DRIVER_PROTOCOL.md: read a line, do it, write a line, flush.
"""
import os
import sqlite3
import sys

CAPABILITIES = "del batch sync checkpoint durable=ack order=prefix reopen"


def reply(line):
    sys.stdout.write(line + "\n")


def open_store(directory):
    store = sqlite3.connect(os.path.join(directory, "store.db"), isolation_level=None)
    store.execute("PRAGMA synchronous=EXTRA")
    # On an error SQLite stays in its old journal mode and says so here alone.
    if store.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
        raise sqlite3.OperationalError("the journal mode could not be changed to WAL")
    store.execute("CREATE TABLE IF NOT EXISTS pairs (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID")
    return store


def change(store, words):
    """Does `put K V` and `del K`, one after the other."""
    while words:
        if words[0] == "put":
            store.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?)", words[1:3])
            words = words[3:]
        else:
            store.execute("DELETE FROM pairs WHERE k = ?", words[1:2])
            words = words[2:]


def serve():
    store = None
    for line in sys.stdin:
        number, word, *words = line.rstrip("\n").split(" ")
        try:
            if word == "open":
                directory = " ".join(words)
                store = open_store(directory)
                reply(f"ack {number} {CAPABILITIES}")
                sys.stdout.flush()
                continue
            if store is None and word != "close":
                store = open_store(directory)
            if word in ("put", "del"):
                change(store, [word, *words])
            elif word == "batch":
                with store:
                    store.execute("BEGIN")
                    change(store, words)
            elif word == "sync":
                pass  # each commit is durable already
            elif word == "checkpoint":
                store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            elif word == "dump":
                for key, value in store.execute("SELECT k, v FROM pairs ORDER BY k"):
                    reply(f"have {number} {key} {value}")
            elif word == "close":
                store, closing = None, store
                if closing is not None:
                    closing.close()
            else:
                raise ValueError(f"unknown request {word}")
            reply(f"ack {number}")
        except sqlite3.DatabaseError as error:
            refused = word == "open" and not isinstance(error, sqlite3.OperationalError)
            reply(f"{'refused' if refused else 'err'} {number} {error}")
            # What SQLite keeps of a commit that failed is settled when the last connection closes.
            if store is not None:
                store.close()
                store = None
        sys.stdout.flush()
    if store is not None:
        store.close()


serve()
