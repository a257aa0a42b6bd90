"""Figures of the requests of a drill: gaps, shares, percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cloudwright.operations.drill.records import Marks, Request

SETTLE_SHARE = 0.5
"""A stream goes on when it is answered in the second half of the failure: in the first it may be
finding its way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A time without an answer, in seconds since the drill's start."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What one stream showed; times in seconds, `latency_*` of answered requests only.

    `gap` is the longest time between two answers' ends, from the injection on; of a request that
    takes seconds it therefore holds at least these, and less when several clients take turns.
    `goes_on`: it was answered in the second half of the failure, with the failure still there,
    and asked after it began. `back_after`: from the repair's end to the first answer after it (0
    when it had gone on), None when none came. The share of failures is of those after the
    injection.
    """

    stream: str
    requests: int
    retried: int
    failed: int
    failed_share: float
    gap: Gap
    latency_median: float
    latency_p95: float
    goes_on: bool
    back_after: float | None


def figures(requests: Iterable[Request], marks: Marks) -> tuple[Figures, ...]:
    """One for each stream, in the order in which they first appear."""
    streams: dict[str, list[Request]] = {}
    for request in requests:
        streams.setdefault(request.stream, []).append(request)
    return tuple(_figures(name, found, marks) for name, found in streams.items())


def longest_gap(ends: Sequence[float], since: float, until: float) -> Gap:
    """The longest time without one of `ends` between `since` and `until`.

    It begins with the last end before `since` when there is one: a request that was answered
    just before a failure starts the gap, not the failure's own moment.
    """
    before = [end for end in ends if end <= since]
    first = max(before, default=since)
    points = [first, *sorted(end for end in ends if since < end < until), until]
    pairs = (Gap(began=a, ended=b) for a, b in pairwise(points))
    return max(pairs, key=lambda gap: gap.seconds)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that `share` of them (0 to 1) do not exceed; NaN of none.

    That is the nearest-rank method: the answer is always one that was measured.
    """
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _figures(name: str, requests: Sequence[Request], marks: Marks) -> Figures:
    answered = [r for r in requests if r.answered]
    after = [r for r in requests if r.ended > marks.broken_from]
    failed = sum(not r.answered for r in after)
    ends = [r.ended for r in answered]
    latencies = [r.seconds for r in answered]
    goes_on = _goes_on(answered, marks)
    return Figures(
        stream=name,
        requests=len(requests),
        retried=sum(r.outcome == "retried" for r in after),
        failed=failed,
        failed_share=failed / len(after) if after else 0.0,
        gap=longest_gap(ends, marks.broken_from, marks.ended),
        latency_median=percentile(latencies, 0.5),
        latency_p95=percentile(latencies, 0.95),
        goes_on=goes_on,
        back_after=_back_after(answered, marks, goes_on=goes_on),
    )


def _goes_on(answered: Sequence[Request], marks: Marks) -> bool:
    half = marks.mended_from - (marks.mended_from - marks.broken_at) * SETTLE_SHARE
    asked = [r for r in answered if r.began >= marks.broken_at]
    return any(half <= r.ended <= marks.mended_from for r in asked)


def _back_after(answered: Sequence[Request], marks: Marks, *, goes_on: bool) -> float | None:
    later = [r.ended for r in answered if r.ended > marks.mended_at]
    if goes_on or any(marks.mended_from <= r.ended <= marks.mended_at for r in answered):
        return 0.0 if later else None
    return min(later) - marks.mended_at if later else None
