"""The driver protocol (docs/DRIVER_PROTOCOL.md) for the stores in this folder: read a line, do it, write a line."""
import os
import sys


class Refused(Exception):
    """The store does not open."""


def changes_of(words):
    """(key, value) pairs from `put K V del K …`; the value of what is deleted is None."""
    words, changes = list(words), []
    while words:
        if words.pop(0) == "put":
            changes.append((words.pop(0), words.pop(0)))
        else:
            changes.append((words.pop(0), None))
    return changes


def applied(pairs, changes):
    """The pairs as they are after the changes, which are made in place."""
    for key, value in changes:
        if value is None:
            pairs.pop(key, None)
        else:
            pairs[key] = value
    return pairs


def pwrite_all(fd, data, offset):
    while data:
        count = os.pwrite(fd, data, offset)
        data, offset = data[count:], offset + count


def say(line):
    sys.stdout.write(line + "\n")


def serve(open_store, capabilities):
    """Serves stores: `open_store(DIR)` gives one with `map`, `commit(changes)`, `close()`, and `sync()` and
    `checkpoint()` where the capabilities say so. An OSError is an `err`."""
    store = None
    for line in sys.stdin:
        number, word, *rest = line.rstrip("\n").split(" ")
        try:
            more = ""
            if word == "open":
                store, more = open_store(" ".join(rest)), " " + capabilities
            elif word in ("put", "del"):
                store.commit(changes_of([word, *rest]))
            elif word == "batch":
                store.commit(changes_of(rest))
            elif word == "dump":
                for key, value in sorted(store.map.items()):
                    say(f"have {number} {key} {value}")
            elif word == "close":
                store.close()
                store = None
            else:
                getattr(store, word)()
            say(f"ack {number}{more}")
        except Refused as why:
            say(f"refused {number} {why}")
        except OSError as why:
            say(f"err {number} {why}")
        sys.stdout.flush()
