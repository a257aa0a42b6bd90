"""How far apart two voters of the database may be, judged by the cluster's own timers."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Literal

from cloudwright.services.mariadb import conf

RETRANSMISSION = 0.2
"""Seconds that TCP waits beyond a round trip before it sends a lost packet again, and twice that
before the next time. Source: Linux, TCP_RTO_MIN; RFC 6298, 5.5."""

FINE = (conf.SUSPECT - conf.KEEPALIVE - 3 * RETRANSMISSION) / 3
"""Seconds: up to this round trip a packet may be lost twice in a row, and nobody is suspected.

A healthy member is silent for a keepalive period, then for as long as its next packet takes. One
lost once is there after `RETRANSMISSION + r` more, lost twice after another `2 * (RETRANSMISSION +
r)`, with a round trip of `r`. All of that must be within the suspect timeout:
`KEEPALIVE + 3 * (RETRANSMISSION + r) <= SUSPECT`."""

LONGEST = min(conf.KEEPALIVE, conf.SUSPECT, conf.INACTIVE, conf.INSTALL, conf.INACTIVE_CHECK)
"""Seconds: with a longer round trip a period or timeout of the group is over before the answer to
what it began with can be there; every one of them must exceed the longest round trip. Source:
Galera's documentation, "WAN Latency"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a round trip means; `hint` is empty when it is fine."""

    severity: Literal["ok", "warning", "error"]
    text: str
    hint: str = ""


def judge(seconds: tuple[float, ...]) -> Verdict:
    """The verdict on the round trips measured between two voters; at least one.

    Their median counts: the first of a series asks for an address, and a busy moment is no
    distance. Every commit waits for one round trip, since a member that commits must know that
    each other has the changes; a row can therefore change once in a round trip.
    """
    trip = median(seconds)
    text = f"{trip * 1000:.3g} ms"
    if trip <= FINE:
        return Verdict(severity="ok", text=text)
    text += f": each commit waits for it, so one row changes {1 / trip:.0f} times a second at most"
    if trip <= LONGEST:
        return Verdict(
            severity="warning",
            text=text,
            hint=f"beyond {FINE * 1000:.0f} ms a healthy member may be suspected when a packet is "
            "lost twice; choose a shorter line, or expect slow writes",
        )
    return Verdict(
        severity="error",
        text=text,
        hint=f"more than {LONGEST * 1000:.0f} ms is too long for synchronous replication: keep "
        "the voters nearer, and make a cloud of its own (a region) in the far place",
    )
