"""How a running container reads changed files again, so that it need not be made anew."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Reload:
    """What makes it read again the files that are marked `reload`.

    `command` runs as root in the container once the new files are at their places, and ends with
    0 only when they were taken; none for files that are read at each use.
    """

    command: tuple[str, ...] = ()
