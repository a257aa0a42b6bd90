"""Who hears whom: each voter's own view, and those that came to it from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SILENT_SECONDS = 1.5
"""Who was not heard for this long is out of reach, and a view of this age says nothing."""

NEWEST_SECONDS = 10.0
"""A database that has said nothing for this long is down; a busy one may be late."""

NONE = -1
"""Of a voter without a database, and of one whose database is down."""


@dataclass(frozen=True)
class View:
    """Whom a voter heard, at a moment of our own clock, and what its database told
    (`asked.NEWEST`)."""

    at: float
    hears: frozenset[str]
    newest: int = NONE


@dataclass
class Views:
    """What one voter knows; all times are of its own clock, in seconds."""

    own: str
    order: Sequence[str]
    heard: dict[str, float] = field(default_factory=dict)
    told: dict[str, View] = field(default_factory=dict)
    database: tuple[float, int] = (0.0, NONE)

    def hear(self, name: str, now: float) -> None:
        """`name` has just answered what we said a moment ago, so the line carries both ways."""
        self.heard[name] = now

    def know(self, newest: int, now: float) -> None:
        """Our own database says which was the newest whole cluster that it was in."""
        self.database = (now, newest)

    def learn(self, views: Mapping[str, View]) -> None:
        """Views that somebody passed on; the newer one of each voter counts."""
        for name, view in views.items():
            known = self.told.get(name)
            if name in self.order and name != self.own and (known is None or view.at > known.at):
                self.told[name] = view

    def fresh(self, now: float) -> dict[str, View]:
        """Every view that still says something, our own among them."""
        fresh = {n: v for n, v in self.told.items() if now - v.at < SILENT_SECONDS}
        hears = frozenset(n for n, at in self.heard.items() if now - at < SILENT_SECONDS)
        at, newest = self.database
        known = newest if now - at < NEWEST_SECONDS else NONE
        return {**fresh, self.own: View(now, hears, known)}

    def best_first(self, now: float) -> list[str]:
        """Every voter; first those whose database was in the newest cluster: what that has agreed
        upon, nobody else can give."""
        fresh = self.fresh(now)
        return sorted(self.order, key=lambda n: -fresh[n].newest if n in fresh else -NONE)

    def links(self, now: float) -> frozenset[frozenset[str]]:
        """Pairs that hear each other, as both of them say."""
        fresh = self.fresh(now)
        return frozenset(
            frozenset((one, other))
            for one, view in fresh.items()
            for other in view.hears
            if other in fresh and one in fresh[other].hears
        )
