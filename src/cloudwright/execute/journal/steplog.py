"""One log file per step of a run, private to the operator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True, slots=True)
class StepLogs:
    """The logs below one run's directory."""

    directory: Path

    def path(self, id: str) -> Path:
        """The file of the step called `id`: its slashes are directories."""
        return self.directory / f"{id}.log"

    @contextmanager
    def open(self, id: str) -> Iterator[Callable[[str], None]]:
        """A function that appends lines, each with the time of day.

        The file is made with the first line: most of a thousand hosts' steps have nothing to say,
        and to make their files took longer than to do them.
        """
        with ExitStack() as stack:
            file: TextIO | None = None

            def log(text: str) -> None:
                nonlocal file
                if file is None:
                    file = stack.enter_context(self._made(id))
                moment = time.strftime("%H:%M:%S")
                file.writelines(f"{moment} {line}\n" for line in text.splitlines())

            yield log

    def _made(self, id: str) -> TextIO:
        path = self.path(id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8", errors="replace", buffering=1)
