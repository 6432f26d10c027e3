"""A store that writes all it holds to a new file and names that, for the tests of causes: `named.py HOW`.

  none      the new file is written under another name, synced and renamed over `all`
  recreate  `all` is removed, created and written
  link      the new file is `data.N`; the symbolic link `current` is removed and made anew
  linked    the mended `link`: the link is made under another name and renamed over `current`
"""
import json
import os
import sys

# Nothing is left in this folder.
sys.dont_write_bytecode = True

from protocol import Refused, applied, serve

CAPS = "del batch durable=ack order=prefix reopen"


def write_synced(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        while data:
            data = data[os.write(fd, data):]
        os.fsync(fd)
    finally:
        os.close(fd)


class Store:
    def __init__(self, directory, how):
        self.dir, self.how, self.map, self.count, self.failed = directory, how, {}, 0, None
        os.makedirs(directory, exist_ok=True)
        self.dirfd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.name = self.path("current" if how.startswith("link") else "all")
        known = self.path("made")
        if os.path.exists(known):
            # Not before the first file of the store is durable.
            if not os.path.exists(self.name):
                raise Refused("the store is there and its contents are not")
            with open(self.name, encoding="utf-8") as file:
                self.map = self.loaded(file)
            numbers = [int(name[5:]) for name in os.listdir(directory) if name.startswith("data.")]
            self.count = max(numbers, default=0)
        else:
            self.write({})
            write_synced(known, b"")
        os.fsync(self.dirfd)

    def loaded(self, file):
        try:
            return json.load(file)
        except json.JSONDecodeError as why:
            raise Refused(why) from why

    def path(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        if os.path.lexists(self.name):
            os.unlink(self.name)

    def commit(self, changes):
        self.write(applied(dict(self.map), changes))

    def write(self, pairs):
        if self.failed:
            raise OSError(f"read only after: {self.failed}")
        data = json.dumps(pairs).encode()
        try:
            if self.how == "recreate":
                self.remove()
                write_synced(self.name, data)
            elif self.how == "none":
                write_synced(self.path("all.new"), data)
                os.rename(self.path("all.new"), self.name)
            else:
                self.point_at(data)
            os.fsync(self.dirfd)
        except OSError as error:
            self.failed = error
            raise
        self.map = pairs

    def point_at(self, data):
        self.count += 1
        target = f"data.{self.count}"
        write_synced(self.path(target), data)
        os.fsync(self.dirfd)
        if self.how == "link":
            self.remove()
            os.symlink(target, self.name)
        else:
            # A crash may have left one.
            if os.path.lexists(self.path("current.new")):
                os.unlink(self.path("current.new"))
            os.symlink(target, self.path("current.new"))
            os.rename(self.path("current.new"), self.name)

    def close(self):
        os.close(self.dirfd)


serve(lambda directory: Store(directory, sys.argv[1]), CAPS)
