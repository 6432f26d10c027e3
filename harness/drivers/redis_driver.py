#!/usr/bin/env python3
"""A driver around a server: it starts redis-server with appendfsync always, and ends it with itself.

Try it:  unplug run --faults power -- python3 harness/drivers/redis_driver.py
The server listens on a socket in the private folder that UNPLUG_RUN names, and writes below DIR alone.
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

CAPABILITIES = "del batch sync checkpoint durable=ack order=prefix reopen"
SETTINGS = {
    "port": "0", "save": "", "appendonly": "yes", "appendfsync": "always", "daemonize": "no",
    "auto-aof-rewrite-percentage": "0", "dbfilename": "unused.rdb", "loglevel": "warning",
}


class Gone(Exception):
    """The server ended, or never came up."""


class Failed(Exception):
    """The server answered with an error."""


class Store:
    def __init__(self, directory):
        path = os.path.join(os.environ["UNPLUG_RUN"], "redis.sock")
        if os.path.exists(path):
            os.unlink(path)
        words = ["redis-server", "--dir", directory, "--unixsocket", path]
        for name, value in SETTINGS.items():
            words += ["--" + name, value]
        prctl = ctypes.CDLL(None).prctl  # 1: PR_SET_PDEATHSIG
        self.server = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=sys.stderr,
            preexec_fn=lambda: prctl(1, signal.SIGKILL))
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(path)
                self.replies = self.socket.makefile("rb")
                if self.ask("PING") == b"PONG":
                    return
            except (OSError, Failed):
                pass  # not listening yet, or still loading
            if self.server.poll() is not None:
                raise Gone(f"redis-server ended with status {self.server.returncode}")
            time.sleep(0.002)

    def send(self, words):
        words = [word if isinstance(word, bytes) else word.encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"*%d\r\n%s" % (len(words), b"".join(parts)))

    def reply(self):
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise Gone("redis-server is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Failed(rest.decode("ascii", "replace"))
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        return [self.reply() for _ in range(int(rest))] if kind == b"*" else rest

    def ask(self, *words):
        self.send(words)
        return self.reply()

    def change(self, words):
        """Does `put K V` and `del K`, all or none of them."""
        changes = []
        while words:
            size = 3 if words[0] == "put" else 2
            changes.append([{"put": "SET", "del": "DEL"}[words[0]], *words[1:size]])
            words = words[size:]
        if len(changes) > 1:
            changes = [["MULTI"], *changes, ["EXEC"]]
        for change in changes:
            self.send(change)
        for _ in changes:
            self.reply()

    def rewrite(self):
        self.ask("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:0" not in (info := self.ask("INFO", "persistence")) or (
                b"aof_rewrite_scheduled:0" not in info):
            time.sleep(0.002)

    def close(self):
        self.send(["SHUTDOWN", "NOSAVE"])
        if self.server.wait() != 0:
            raise Gone(f"redis-server ended with status {self.server.returncode}")


def word_of(stored):
    """What is stored, as one word: damage may have left any byte in it."""
    return "".join(chr(byte) if 32 < byte < 127 else f"\\x{byte:02x}" for byte in stored or b"")


def serve():
    store = None
    for line in sys.stdin:
        number, word, *words = line.rstrip("\n").split(" ")
        out = []
        try:
            if word == "open":
                store = Store(" ".join(words))
            elif word in ("put", "del"):
                store.change([word, *words])
            elif word == "batch":
                store.change(words)
            elif word == "checkpoint":
                store.rewrite()
            elif word == "dump":
                for key in store.ask("KEYS", "*"):
                    value = store.ask("GET", key)
                    out.append(f"have {number} {word_of(key)} {word_of(value)}\n")
            elif word == "close":
                store.close()
                store = None
            elif word != "sync":  # each answer waits for its fsync
                raise Failed(f"unknown request {word}")
            out.append(f"ack {number}{' ' + CAPABILITIES if word == 'open' else ''}\n")
        except (Gone, Failed, OSError) as error:
            out = [f"{'refused' if word == 'open' else 'err'} {number} {error}\n"]
        sys.stdout.write("".join(out))
        sys.stdout.flush()
    if store is not None:
        store.close()


serve()
