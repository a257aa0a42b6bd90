"""What a person said of dead members, and what was given up for it, kept beside the data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

DEAD = "cloudwright.dead"
LEFT = "cloudwright.left"
WHOLE = "cloudwright.whole"


def declare(kept: Path, dead: Iterable[str], view: Iterable[str]) -> None:
    """Note that the members `dead` are dead, as long as `view` is the last whole cluster known."""
    _write(kept / DEAD, {"dead": sorted(dead), "view": sorted(view)})


def dead(kept: Path | None, view: Iterable[str]) -> frozenset[str]:
    """Who was said to be dead; nobody once there was another whole cluster: the word was of the
    outage that it was given in, and must not decide the next one."""
    said = _read(kept / DEAD) if kept else None
    if not isinstance(said, dict) or said.get("view") != sorted(view):
        return frozenset()
    return frozenset(said["dead"])


def give_up(kept: Path, histories: Iterable[str]) -> None:
    """Keep the histories that nobody may go on from."""
    if wanted := sorted(h for h in histories if h):
        _write(kept / LEFT, wanted)


def end(kept: Path) -> None:
    """End the word that was given: what it was for is done, or no longer called for."""
    (kept / DEAD).unlink(missing_ok=True)


def given_up(kept: Path | None) -> tuple[str, ...]:
    """The histories that `give_up` kept."""
    said = _read(kept / LEFT) if kept else None
    return tuple(said) if isinstance(said, list) else ()


def note_whole(kept: Path, members: Iterable[str]) -> None:
    """Keep who the last whole cluster had as members; nothing is known any more when empty."""
    if wanted := sorted(members):
        _write(kept / WHOLE, wanted)
    else:
        (kept / WHOLE).unlink(missing_ok=True)


def last_whole(kept: Path | None) -> tuple[str, ...]:
    """Who `note_whole` kept."""
    said = _read(kept / WHOLE) if kept else None
    return tuple(said) if isinstance(said, list) else ()


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(path: Path, said: object) -> None:
    """All of it or nothing, also when the power fails."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w") as file:
        file.write(json.dumps(said))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
