"""A drill's report: for people as text, for programs as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from cloudwright.operations.drill.records import Request
from cloudwright.operations.drill.sides import Sample
from cloudwright.operations.drill.verdict import Limits, Measured
from cloudwright.operations.what_if import Forecast


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that is told of a drill; `wrong` is empty when it passed.

    `load` says which load ran, `left_out` which stream did not, and why; `machine` what it was
    measured on, `when` in words.
    """

    name: str
    cloud: str
    when: str
    machine: str
    load: str
    left_out: Mapping[str, str]
    limits: Limits
    forecast: Forecast
    measured: Measured
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every limit was kept and the forecast was right."""
        return not self.wrong


def text(report: Report) -> str:
    """The report as a person reads it."""
    measured, marks = report.measured, report.measured.marks
    lines = [
        f"drill {report.name} on {report.cloud}: {'passed' if report.passed else 'FAILED'}",
        f"  {report.when}; {report.machine}",
        f"  load: {report.load}",
        *(f"  left out: {stream}, for {why}" for stream, why in report.left_out.items()),
        "",
        f"  broken     {marks.broken_from:7.1f} s after the start",
        f"  repaired   {marks.mended_from:7.1f} s (the failure lasted "
        f"{marks.mended_from - marks.broken_from:.1f} s), done at {marks.mended_at:.1f} s",
        "  whole      " + _whole(report),
        "",
        *_table(measured),
        "",
        *_ledgers(measured),
        f"  two sides writable at once: {'YES' if measured.two_writers else 'never'}",
        f"  what-if said: {'goes on' if report.forecast.survives else 'stops'}; "
        f"measured: {'went on' if measured.goes_on else 'stopped'}",
    ]
    lines += ["", *(f"  wrong: {line}" for line in report.wrong)] if report.wrong else []
    return "\n".join(lines) + "\n"


def plain(report: Report, requests: Iterable[Request], samples: Iterable[Sample]) -> object:
    """The same as JSON's own types, with every request and every try to write."""
    measured = report.measured
    return {
        "drill": report.name,
        "cloud": report.cloud,
        "when": report.when,
        "machine": report.machine,
        "load": report.load,
        "left_out": dict(report.left_out),
        "passed": report.passed,
        "wrong": list(report.wrong),
        "limits": {**asdict(report.limits), "gap": dict(report.limits.gap)},
        "forecast_survives": report.forecast.survives,
        "went_on": measured.goes_on,
        "two_writers": measured.two_writers is not None,
        "marks": asdict(measured.marks),
        "streams": [_finite({**asdict(f), "gap": asdict(f.gap)}) for f in measured.figures],
        "writes": [
            {
                "kind": one.kind,
                "acknowledged": len(one.acknowledged),
                "removed": len(one.removed),
                "found": {place: len(there) for place, there in one.found.items()},
                "lost": one.lost,
                "risen": one.risen,
            }
            for one in measured.ledgers
        ],
        "requests": [asdict(request) for request in requests],
        "samples": [{**asdict(s), "view": sorted(s.view)} for s in samples],
    }


def _whole(report: Report) -> str:
    marks = report.measured.marks
    if marks.whole_at is None:
        return "      - not in the time given"
    return f"{marks.whole_at:7.1f} s ({marks.whole_at - marks.mended_at:.1f} s after the repair)"


def _table(measured: Measured) -> Iterable[str]:
    header = ("STREAM", "REQUESTS", "RETRIED", "FAILED", "LONGEST GAP", "MEDIAN", "P95", "BACK")
    rows = [
        (
            one.stream,
            str(one.requests),
            str(one.retried),
            f"{one.failed} ({one.failed_share:.1%})",
            f"{one.gap.seconds:.1f} s",
            f"{one.latency_median * 1000:.0f} ms",
            f"{one.latency_p95 * 1000:.0f} ms",
            "-" if one.back_after is None else f"{one.back_after:.1f} s",
        )
        for one in measured.figures
    ]
    return _columns(header, rows)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _ledgers(measured: Measured) -> Iterable[str]:
    for one in measured.ledgers:
        places = ", ".join(one.found) or "nowhere"
        verdict = "all there" if one.holds else "NOT as acknowledged"
        removed = f", {len(one.removed)} more removed again" if one.removed else ""
        told = f"{len(one.acknowledged)} acknowledged{removed}"
        yield f"  {one.kind}: {told}, looked for in {places}: {verdict}"


def _finite(figures: dict[str, object]) -> dict[str, object]:
    """JSON has no NaN: a latency of no request is null."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()}
