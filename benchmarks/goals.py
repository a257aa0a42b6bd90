"""What the drills of a benchmark showed beside what they should, from their reports alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudwright.operations.drill.analysis import percentile
from cloudwright.operations.drill.sides import Sample, stopped_after
from cloudwright.operations.drill.verdict import CREATES, ROWS, TOKEN

Report = Mapping[str, Any]
"""`report.json` of a drill, whose `drill` also says whose settings were in place."""

APPLY_SECONDS = 180.0
MEMORY_GIB = 12.0
WRITE_STALL_SECONDS = 2.5
CREATE_SECONDS = 15.0
"""From the request to ACTIVE; no other stream's requests have a goal but for their gaps."""
REFUSE_SECONDS = 10.0
FIRST_TOKEN_SECONDS = 60.0
"""After a cold start, from the moment in which the hosts have power again."""

LATE_SECONDS = 3.0
"""Who took a write so shortly before the repair had not stopped; samplers try twice a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure, of `values` from as many drills; `goal` None for one that is only told. In
    seconds unless `unit` says otherwise; infinite for what never came."""

    drill: str
    what: str
    values: tuple[float, ...]
    goal: float | None
    unit: str = "s"

    @property
    def p95(self) -> float:
        """What 95 % of the drills kept; of fewer than twenty, the worst."""
        return percentile(self.values, 0.95)

    @property
    def verdict(self) -> str:
        """Whether the 95th percentile kept the goal."""
        if self.goal is None:
            return ""
        return "kept" if self.p95 <= self.goal else "MISSED"

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        median = statistics.median(self.values)
        goal = "" if self.goal is None else f"{self.goal:g} {self.unit}"
        told = (f"{median:.1f}", f"{self.p95:.1f}")
        return (self.drill, self.what, str(len(self.values)), *told, goal, self.verdict)


HEADER = ("drill", "what", "n", "median", "p95", "goal", "verdict")


def table(measures: Iterable[Measure]) -> str:
    """All of them below a header."""
    rows = [HEADER, *(one.cells() for one in measures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def measured(reports: Sequence[Report]) -> Iterator[Measure]:
    """Every figure of every drill, drills of one name together."""
    for drill in dict.fromkeys(report["drill"] for report in reports):
        found = [report for report in reports if report["drill"] == drill]
        streams = dict.fromkeys(s["stream"] for report in found for s in report["streams"])
        for name in streams:
            yield from _stream(drill, name, found)
        yield from _whole(drill, found)


def _stream(drill: str, name: str, reports: Sequence[Report]) -> Iterator[Measure]:
    ours = [(r, s) for r in reports for s in r["streams"] if s["stream"] == name]
    first = ours[0][0]
    goes_on = first["forecast_survives"]
    limits = first["limits"]
    stall = WRITE_STALL_SECONDS if name == ROWS else limits["gap"].get(name)

    def one(what: str, values: Iterable[float], goal: float | None, unit: str = "s") -> Measure:
        told = f"{name}: {what}"
        return Measure(drill=drill, what=told, values=tuple(values), goal=goal, unit=unit)

    gaps = [s["gap"]["ended"] - s["gap"]["began"] for _, s in ours]
    yield one("longest gap", gaps, stall if goes_on else None)
    failed = [100 * s["failed_share"] for _, s in ours]
    yield one("failed", failed, 100 * limits["failed_share"] if goes_on else None, "%")
    if name == CREATES:
        yield one("p95 of a request", map(_p95, (s for _, s in ours)), CREATE_SECONDS)
    back = [_never(s["back_after"]) for _, s in ours]
    yield one("back after the repair", back, None if goes_on else limits["back"])
    if name == TOKEN and drill.startswith("cold-start"):
        marks = [report["marks"] for report, _ in ours]
        booted = [m["mended_at"] - m["mended_from"] for m in marks]
        first_token = [boot + late for boot, late in zip(booted, back, strict=True)]
        yield one("first after the boot", first_token, FIRST_TOKEN_SECONDS)


def _whole(drill: str, reports: Sequence[Report]) -> Iterator[Measure]:
    marks = [report["marks"] for report in reports]
    whole = [_never(m["whole_at"]) - m["mended_at"] for m in marks]
    goal = reports[0]["limits"]["whole"]
    yield Measure(drill=drill, what="full redundancy", values=tuple(whole), goal=goal)
    stopped = [seconds for report in reports for seconds in refusals(report)]
    if drill.startswith("partition") and stopped:
        what = "the minority refuses writes"
        yield Measure(drill=drill, what=what, values=tuple(stopped), goal=REFUSE_SECONDS)


def refusals(report: Report) -> Iterator[float]:
    """For how long each database member that stopped in a failure still took writes."""
    marks = report["marks"]
    samples = [Sample(**{**s, "view": frozenset(s["view"])}) for s in report["samples"]]
    for host in sorted({sample.host for sample in samples}):
        seconds = stopped_after(samples, host, marks["broken_at"], marks["mended_from"])
        if marks["mended_from"] - marks["broken_at"] - seconds > LATE_SECONDS:
            yield seconds


def _p95(stream: Mapping[str, Any]) -> float:
    """Of requests that were answered; JSON has null for none."""
    return _never(stream["latency_p95"])


def _never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
