"""Who hears whom: each voter's own view, and those that came to it from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SILENT_SECONDS = 1.5
"""Who was not heard for this long is out of reach, and a view of this age says nothing."""


@dataclass(frozen=True)
class View:
    """Whom a voter heard, at a moment of our own clock."""

    at: float
    hears: frozenset[str]


@dataclass
class Views:
    """What one voter knows; all times are of its own clock, in seconds."""

    own: str
    order: Sequence[str]
    heard: dict[str, float] = field(default_factory=dict)
    told: dict[str, View] = field(default_factory=dict)

    def hear(self, name: str, now: float) -> None:
        """`name` has just answered what we said a moment ago, so the line carries both ways."""
        self.heard[name] = now

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
        return {**fresh, self.own: View(now, hears)}

    def links(self, now: float) -> frozenset[frozenset[str]]:
        """Pairs that hear each other, as both of them say."""
        fresh = self.fresh(now)
        return frozenset(
            frozenset((one, other))
            for one, view in fresh.items()
            for other in view.hears
            if other in fresh and one in fresh[other].hears
        )
