"""One log file per step of a run, private to the operator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StepLogs:
    """The logs below one run's directory."""

    directory: Path

    def path(self, id: str) -> Path:
        """The file of the step called `id`: its slashes are directories."""
        return self.directory / f"{id}.log"

    @contextmanager
    def open(self, id: str) -> Iterator[Callable[[str], None]]:
        """A function that appends lines, each with the time of day."""
        path = self.path(id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8", errors="replace", buffering=1) as file:

            def log(text: str) -> None:
                moment = time.strftime("%H:%M:%S")
                file.writelines(f"{moment} {line}\n" for line in text.splitlines())

            yield log
