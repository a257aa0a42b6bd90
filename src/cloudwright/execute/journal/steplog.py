"""One log file per step of a run, private to the operator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudwright.errors import naming


@dataclass(frozen=True, slots=True)
class StepLogs:
    """The logs below one run's directory."""

    directory: Path

    def path(self, id: str) -> Path:
        """The file of the step called `id`: its slashes are directories."""
        return self.directory / f"{id}.log"

    @contextmanager
    def open(self, id: str, first: str = "") -> Iterator[Callable[[str], None]]:
        """A function that appends lines, each with the time of day; `first` is said before all
        others, with the time of now.

        The file is opened with the first line that is given to the function: thousands of steps
        run at a time, most of them have one thing to say, at their end, and this process may
        have 1024 files open.
        """
        handle, head = -1, _stamped(first)

        def log(text: str) -> None:
            nonlocal handle, head
            if handle < 0:
                handle = self._made(id)
            with naming(self.path(id)):
                os.write(handle, (head + _stamped(text)).encode(errors="replace"))
            head = ""

        try:
            yield log
        finally:
            if handle >= 0:
                os.close(handle)

    def _made(self, id: str) -> int:
        path, flags = self.path(id), os.O_CREAT | os.O_APPEND | os.O_WRONLY
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(path, flags, 0o600)


def _stamped(text: str) -> str:
    moment = time.strftime("%H:%M:%S")
    return "".join(f"{moment} {line}\n" for line in text.splitlines())
