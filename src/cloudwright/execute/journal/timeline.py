"""A journal as a story: when each step could begin, what it waited for, and what took longest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """What a step waited for inside, such as an API's first answer, and for how many seconds."""

    reason: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStory:
    """One step of a run. Times are seconds since the run began; None for what never was.

    `ready` is when all of its `gates` were over, `gate` the last of those. `result` is `done`,
    `failed`, `skipped`, `running` (the journal ends before it did) or `planned`.
    """

    id: str
    host: str
    change: str
    why: str
    gates: tuple[str, ...]
    ready: float
    gate: str
    began: float | None
    ended: float | None
    result: str
    text: str
    waits: tuple[Wait, ...]

    @property
    def seconds(self) -> float:
        """How long it ran; 0 for one that did not, or did not end."""
        return self.ended - self.began if self.ended is not None and self.began is not None else 0

    @property
    def queued(self) -> float:
        """Seconds between its last gate and its begin: its host had no place for it."""
        return max(0.0, self.began - self.ready) if self.began is not None else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """A whole run; `seconds` until its last event."""

    steps: Mapping[str, StepStory]
    seconds: float


def timeline(events: Iterable[Mapping[str, Any]]) -> Timeline:
    """The story that a journal's lines tell; of a journal that was cut, as far as it goes."""
    planned: dict[str, Mapping[str, Any]] = {}
    own: dict[str, list[Mapping[str, Any]]] = {}
    start = last = 0.0
    for event in events:
        last = float(event["at"])
        if event["event"] == "RunStarted":
            start = last
            planned = {step["id"]: step for step in event["planned"]}
        elif "id" in event:
            own.setdefault(event["id"], []).append(event)
    ends = {id: end for id, those in own.items() if (end := _end(those, start)) is not None}
    steps = {
        id: _story(step, own.get(id, []), ends, start, last - start)
        for id, step in planned.items()
    }
    return Timeline(steps=steps, seconds=last - start)


def critical_path(story: Timeline) -> tuple[StepStory, ...]:
    """The steps that decided how long the run took: each the last gate of the next."""
    ran = [step for step in story.steps.values() if step.began is not None]
    if not ran:
        return ()
    step = max(ran, key=lambda s: story.seconds if s.ended is None else s.ended)
    path = [step]
    while step.gate and (before := story.steps[step.gate]).began is not None:
        path.append(before)
        step = before
    return tuple(reversed(path))


_RESULTS = {
    "StepDone": "done",
    "StepFailure": "failed",
    "StepFell": "failed",
    "StepSkipped": "skipped",
}


def _story(
    step: Mapping[str, Any],
    events: list[Mapping[str, Any]],
    ends: Mapping[str, float],
    start: float,
    last: float,
) -> StepStory:
    gates = tuple(gate for gate in step.get("gates", ()) if gate in ends)
    gate = max(gates, key=lambda id: ends[id], default="")
    began = next((float(e["at"]) - start for e in events if e["event"] == "StepStarted"), None)
    ended = ends.get(step["id"])
    result = _RESULTS.get(events[-1]["event"], "running") if events else "planned"
    return StepStory(
        id=step["id"],
        host=step["host"],
        change=step["change"],
        why=step["why"],
        gates=tuple(step.get("gates", ())),
        ready=ends[gate] if gate else 0.0,
        gate=gate,
        began=began,
        ended=ended,
        result=result,
        text=_text(events),
        waits=_waits(events, start, last if ended is None else ended),
    )


def _end(events: list[Mapping[str, Any]], start: float) -> float | None:
    """When its work ended; that it fell later made nobody wait."""
    ends = (float(event["at"]) - start for event in events if event["event"] in _RESULTS)
    return next(ends, None)


def _text(events: list[Mapping[str, Any]]) -> str:
    """The error of a step that failed, or what a skipped one was skipped for."""
    last = events[-1] if events else {}
    return str(last.get("error") or last.get("because") or "")


def _waits(events: list[Mapping[str, Any]], start: float, end: float) -> tuple[Wait, ...]:
    """Each reason lasts until the next one or the step's end."""
    waits = [(str(e["reason"]), float(e["at"]) - start) for e in events if "reason" in e]
    until = [*(at for _, at in waits[1:]), end]
    return tuple(
        Wait(reason=reason, seconds=max(0.0, after - at))
        for (reason, at), after in zip(waits, until, strict=False)  # no waits, no end of one
    )
