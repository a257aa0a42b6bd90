"""Whether there is space for a member of the queue to be of use to the others.

While one member has less space than it may (`disk_free_limit`), RabbitMQ lets none take messages;
so it goes, where the others go on without it. And what has failed to write its log does not write
it again: a server that stayed is half of one, and is started anew.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

MORE = 1.5
"""How much more than where it stops a member has to have free before it starts."""

BROKEN_BYTES = 16 << 20
"""With less than this left, a server may have failed to write."""

PAUSE_SECONDS = 2


class Room:
    """The space in a member's directory; with less than `least` bytes the server stops."""

    def __init__(self, directory: Path, least: int) -> None:
        self._directory = directory
        self._least = least
        self._was_full = False

    def is_to_stop(self, others_go_on: bool) -> bool:
        """Whether a server that runs is better stopped now; asked again and again."""
        free = _free(self._directory)
        if free < self._least and others_go_on:
            print(f"only {free >> 20} MiB are free, and the others go on", flush=True)
            return True
        again = self._was_full and free >= self._least
        self._was_full = not again and (self._was_full or free < BROKEN_BYTES)
        return again

    def wait(self) -> None:
        """Wait until there is space to start, and to stay."""
        told = False
        while (free := _free(self._directory)) < self._least * MORE:
            if not told:
                print(f"waits: only {free >> 20} MiB are free", flush=True)
            told = True
            time.sleep(PAUSE_SECONDS)
        self._was_full = False


def _free(directory: Path) -> int:
    """How many bytes are free for whoever is not root."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
