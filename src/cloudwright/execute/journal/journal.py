"""The journal is a run as lines of JSON, for people: every event in order, none impossible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from cloudwright.errors import naming
from cloudwright.execute.journal.events import (
    Event,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailure,
    StepFell,
    StepSkipped,
    StepStarted,
    StepWaits,
    StopAsked,
)

JOURNAL = "journal.jsonl"


_MOVES: dict[type[Event], dict[str, str]] = {
    StepStarted: {"planned": "running"},
    StepWaits: {"running": "running", "done": "done"},
    StepDone: {"running": "done"},
    StepFailure: {"running": "failed"},
    StepFell: {"done": "failed"},
    StepSkipped: {"planned": "skipped"},
}
"""Event → the states that a step may be in, each with the one it comes to."""


class IllegalTransitionError(RuntimeError):
    """A step did what no step can do, such as end before it began: a bug of ours."""


class Journal:
    """Consumes a run's events: checks each against what came before it, then writes one line.

    The file is `journal.jsonl` in the run's own directory. A step goes planned → running → done
    or failed, or planned → skipped; a done one may fail yet, when what it made does not stay.
    Anything else raises IllegalTransitionError, and so does a run that ends while a step still
    runs.
    """

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._file: TextIO | None = None
        self._over = False

    def __call__(self, event: Event) -> None:
        """Take one event in; what was written survives a `kill -9` of this process.

        OSError when it cannot be written: it is kept, and tried again with the next one.
        """
        self._follow(event)
        if isinstance(event, RunStarted):
            directory = Path(event.directory)
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # An error may quote bytes that are no UTF-8: JSON reads what stands for them again.
            self._file = (directory / JOURNAL).open(
                "a", encoding="utf-8", errors="backslashreplace", newline="\n", buffering=1
            )
        if self._file is None:
            raise IllegalTransitionError(f"{_name(event)} before the run began")
        with naming(Path(self._file.name)):
            try:
                self._file.write(json.dumps(as_json(event), ensure_ascii=False) + "\n")
            finally:
                if self._over:
                    self._file.close()

    def _follow(self, event: Event) -> None:
        if self._over:
            raise IllegalTransitionError(f"{_name(event)} after the end of the run")
        match event:
            case RunStarted(planned=planned):
                if self._states:
                    raise IllegalTransitionError("a run that began begins again")
                self._states = {p.step.id: "planned" for p in planned}
            case StopAsked():
                pass
            case RunEnded():
                running = sorted(i for i, s in self._states.items() if s == "running")
                if running:
                    raise IllegalTransitionError(f"the run ended while {running[0]} ran")
                self._over = True
            case _:
                self._move(event.id, _MOVES[type(event)])

    def _move(self, id: str, moves: Mapping[str, str]) -> None:
        state = self._states.get(id, "unknown")
        if state not in moves:
            new = " or ".join(dict.fromkeys(moves.values()))
            raise IllegalTransitionError(f"{id} is {state}, and cannot become {new}")
        self._states[id] = moves[state]


def as_json(event: Event) -> dict[str, Any]:
    """One event as plain data; of a plan only what a reader needs, never a step's body."""
    data: dict[str, Any] = {"event": _name(event)}
    for item in fields(event):
        if item.name not in ("planned", "gates"):
            data[item.name] = getattr(event, item.name)
    if isinstance(event, RunStarted):
        data["planned"] = [
            {
                "id": p.step.id,
                "host": p.step.host,
                "change": p.change.value,
                "why": p.why,
                "gates": sorted(event.gates.get(p.step.id, ())),
            }
            for p in event.planned
        ]
    return data


def read_journal(path: Path) -> tuple[dict[str, Any], ...]:
    """The lines of a journal; one that was cut short, or damaged, is left out."""
    return parse_journal(path.read_bytes())


def parse_journal(content: bytes) -> tuple[dict[str, Any], ...]:
    """The same of a journal's content."""
    # Not splitlines(): an error text may hold what that takes for the end of a line too.
    *lines, _cut = content.decode(errors="replace").split("\n")
    return tuple(event for line in lines if (event := _event(line)) is not None)


def _event(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _name(event: Event) -> str:
    return type(event).__name__
