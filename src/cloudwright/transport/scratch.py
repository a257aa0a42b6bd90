"""A directory of this machine that only we may enter: for sockets, and what must be a file."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Self

PREFIX = "cloudwright-sockets-"
LONGEST = 107 - len(f"/{PREFIX}12345678/999.sock")
"""Characters of a folder for them: the kernel takes 107 for a socket's path (unix(7))."""

YOUNG_SECONDS = 60.0
"""For its maker to lock a new one."""


class Scratch:
    """One such directory, until it is closed.

    It is locked for as long as its process lives, so that what a killed one left shows, and is
    removed by the next; process numbers would say nothing to who is in another container.
    """

    def __init__(self) -> None:
        directory = tempfile.gettempdir()
        if len(directory) > LONGEST:
            directory = "/tmp"
        remove_left(directory)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory))
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


@functools.cache
def remove_left(directory: str) -> None:
    """Remove what killed processes of this user left there; looked for once per process."""
    with os.scandir(directory) as entries:
        found = [entry for entry in entries if entry.name.startswith(PREFIX)]
    for entry in found:
        try:
            is_ours = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            age = time.time() - entry.stat(follow_symlinks=False).st_mtime
            if is_ours and age > YOUNG_SECONDS:
                _remove_unlocked(entry.path)
        except OSError:
            continue  # it is in use, or went while we looked


def _remove_unlocked(path: str) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
