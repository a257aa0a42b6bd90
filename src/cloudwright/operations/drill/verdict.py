"""Whether a drill passed: its figures against declared limits, and against what was forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloudwright.model.cloud import Cloud
from cloudwright.operations.drill.analysis import Figures
from cloudwright.operations.drill.records import Ledger, Marks
from cloudwright.operations.drill.sides import TwoWriters
from cloudwright.operations.what_if import Forecast

TOKEN, SERVERS, PORTS, IMAGES = "keystone token", "nova servers", "neutron port", "glance images"
CREATES = "nova create"
"""From the request to ACTIVE."""
UPLOADS = "glance upload"
"""A machine image, and what it holds."""
ROWS, MESSAGES = "database row", "queue message"
STREAMS = (TOKEN, SERVERS, CREATES, PORTS, IMAGES, UPLOADS, ROWS, MESSAGES)

FORETOLD = tuple(stream for stream in STREAMS if stream != CREATES)
"""Of these `what-if` says whether they go on. When a server becomes ACTIVE is also a matter of how
soon Nova leaves out a host that has died, which is a time and has its limit here."""

WRITES_OF = {"mariadb": (ROWS,), "rabbitmq": (MESSAGES,)}
"""Cluster of the forecast → the streams that write straight into it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a drill must keep; seconds, and a share from 0 to 1.

    `gap` is each stream's longest time without an answer, `failed_share` each stream's failures
    after one retry: both count only for a failure that the forecast says the cloud survives.
    `back` is from the end of the repair to each stream's first answer, for one that it does not.
    `whole` is from the end of the repair to full redundancy.
    """

    gap: Mapping[str, float] = field(
        default_factory=lambda: {
            TOKEN: 5.0,
            SERVERS: 5.0,
            CREATES: 15.0,
            PORTS: 15.0,
            IMAGES: 5.0,
            UPLOADS: 15.0,
            ROWS: 5.0,
            MESSAGES: 5.0,
        }
    )
    failed_share: float = 0.01
    back: float = 60.0
    whole: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a drill found."""

    marks: Marks
    figures: tuple[Figures, ...]
    ledgers: tuple[Ledger, ...]
    two_writers: TwoWriters | None

    @property
    def goes_on(self) -> bool:
        """Whether each stream of which `what-if` speaks was answered while the failure lasted."""
        found = _named(self.figures, FORETOLD)
        return bool(found) and all(one.goes_on for one in found)


def unmeasured(cloud: Cloud, forecast: Forecast, *, creates: bool) -> dict[str, str]:
    """Stream → why it does not run: nobody asked for `creates`, or there is no use in it: nobody
    can create a server where no host may run it, though all else goes on.
    """
    hosts = [host.name for host in cloud.hosts_with("compute")]
    if not creates:
        return dict.fromkeys((CREATES, UPLOADS), "nobody asked for it (--creates)")
    if not hosts:
        return {CREATES: "no host of the cloud runs servers"}
    if forecast.survives and set(hosts) <= set(forecast.computes):
        return {CREATES: f"the failure takes every host that runs servers ({', '.join(hosts)})"}
    return {}


def breaches(measured: Measured, limits: Limits, forecast: Forecast) -> tuple[str, ...]:
    """What was not kept, one line each; none when the drill passed."""
    marks = measured.marks
    found = [*_figures(measured.figures, limits, survives=forecast.survives)]
    found += [line for ledger in measured.ledgers for line in _ledger(ledger)]
    if measured.two_writers:
        one, other = measured.two_writers.one, measured.two_writers.other
        found.append(
            f"{one.host} (at {one.began:.1f} s) and {other.host} (at {other.began:.1f} s) took "
            "writes without each other: the database had split"
        )
    if marks.whole_at is None:
        found.append("full redundancy did not come back in the time given")
    elif marks.whole_at - marks.mended_at > limits.whole:
        found.append(
            f"full redundancy: {marks.whole_at - marks.mended_at:.1f} s after the repair, "
            f"limit {limits.whole:g} s"
        )
    return (*found, *disagreements(measured, forecast))


def disagreements(measured: Measured, forecast: Forecast) -> tuple[str, ...]:
    """Where what `what-if` says of this failure is not what was measured, one line each."""
    found = []
    if forecast.survives and not measured.goes_on:
        foretold = _named(measured.figures, FORETOLD)
        silent = [one.stream for one in foretold if not one.goes_on]
        found.append(f"what-if: the cloud goes on; measured: no answer from {', '.join(silent)}")
    for vote in forecast.votes:
        for one in _named(measured.figures, WRITES_OF.get(vote.cluster, ())):
            if not vote.goes_on and one.goes_on:
                found.append(f"what-if: {vote.cluster} takes no writes; measured: it did")
            if vote.goes_on and not one.goes_on and not forecast.survives:
                found.append(f"what-if: {vote.cluster} takes writes; measured: it did not")
    return tuple(found)


def _figures(every: Iterable[Figures], limits: Limits, *, survives: bool) -> Iterable[str]:
    for one in every:
        if survives:
            most = limits.gap.get(one.stream)
            if most is not None and one.gap.seconds > most:
                yield f"{one.stream}: {one.gap.seconds:.1f} s without an answer, limit {most:g} s"
            if one.failed_share > limits.failed_share:
                share = f"{one.failed_share:.1%} failed after one retry"
                yield f"{one.stream}: {share}, limit {limits.failed_share:.1%}"
        elif one.back_after is None:
            yield f"{one.stream}: no answer after the repair"
        elif one.back_after > limits.back:
            back = f"first answer {one.back_after:.1f} s after the repair"
            yield f"{one.stream}: {back}, limit {limits.back:g} s"


def _ledger(ledger: Ledger) -> Iterable[str]:
    if not ledger.acknowledged | ledger.removed:
        yield f"{ledger.kind}: nothing was acknowledged, so nothing is proven"
    if not ledger.found:
        yield f"{ledger.kind}: what was acknowledged could not be looked for"
    for place, numbers in ledger.lost.items():
        yield f"{ledger.kind}: {len(numbers)} acknowledged are missing in {place}: {_few(numbers)}"
    for place, numbers in ledger.risen.items():
        yield f"{ledger.kind}: {len(numbers)} removed are back in {place}: {_few(numbers)}"


def _few(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return ", ".join(map(str, numbers[:5])) + more


def _named(every: Iterable[Figures], names: Iterable[str]) -> list[Figures]:
    wanted = set(names)
    return [one for one in every if one.stream in wanted]
