"""What a person said of dead members, and what was given up for it, kept beside the data."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

DEAD = "cloudwright.dead"
LEFT = "cloudwright.left"
PROPOSED = "cloudwright.proposed"
WHOLE = "cloudwright.whole"

PROPOSED_SECONDS = 10.0
"""How long members are told what a person proposed. Who asks them needs two; one that was ended
in the middle leaves nobody waiting for longer."""


def propose(kept: Path, dead: Iterable[str], view: Iterable[str]) -> None:
    """Note what `declare` will say if nobody of them speaks: from now on they start nothing beside
    this member, so that whoever has not heard of it can be asked whether it lives."""
    _write(kept / PROPOSED, {"dead": sorted(dead), "view": sorted(view)})


def declare(kept: Path, dead: Iterable[str], view: Iterable[str]) -> None:
    """Note that the members `dead` are dead, as long as `view` is the last whole cluster known."""
    _write(kept / DEAD, {"dead": sorted(dead), "view": sorted(view)})
    withdraw(kept)


def withdraw(kept: Path) -> None:
    """Note that what was proposed is said, or is not so."""
    (kept / PROPOSED).unlink(missing_ok=True)


def dead(kept: Path | None, view: Iterable[str]) -> frozenset[str]:
    """Who was said to be dead; nobody once there was another whole cluster: the word was of the
    outage that it was given in, and must not decide the next one."""
    return _of_view(kept / DEAD, view) if kept else frozenset()


def hear(kept: Path, names: Iterable[str]) -> None:
    """Take back that those are dead, since they speak: what is done on a word is done without
    those alone of whom it is still true."""
    said = _read(kept / DEAD)
    if isinstance(said, dict):
        silent = {*said["dead"]}.difference(names)
        if len(silent) < len(said["dead"]):
            _write(kept / DEAD, {**said, "dead": sorted(silent)})


def named(kept: Path | None, view: Iterable[str]) -> frozenset[str]:
    """Who was said to be dead, or is about to be."""
    if kept is None:
        return frozenset()
    try:
        # A clock that was set counts as time that has passed.
        fresh = abs(time.time() - (kept / PROPOSED).stat().st_mtime) < PROPOSED_SECONDS
    except OSError:
        fresh = False
    return dead(kept, view) | (_of_view(kept / PROPOSED, view) if fresh else frozenset())


def give_up(kept: Path, histories: Iterable[str]) -> None:
    """Keep the histories that nobody may go on from."""
    if wanted := sorted(h for h in histories if h):
        _write(kept / LEFT, wanted)


def end(kept: Path) -> None:
    """End the word that was given: what it was for is done, or no longer called for; or this
    member ended itself, and may have been named to those that it names."""
    (kept / DEAD).unlink(missing_ok=True)
    withdraw(kept)


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


def _of_view(path: Path, view: Iterable[str]) -> frozenset[str]:
    said = _read(path)
    if not isinstance(said, dict) or said.get("view") != sorted(view):
        return frozenset()
    return frozenset(said["dead"])


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
