"""Which certificates are in use, when they end, and which are to be replaced now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

LEFT = 3
"""A certificate is replaced when less than this part (one third) of its life is left: a cloud that
is looked at twice a year is always in time, for they live for 825 days."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A certificate that the vault has: `Secret.lineage`, generation, and its life (UTC)."""

    lineage: str
    generation: int
    begins: datetime
    ends: datetime

    @property
    def renewed_from(self) -> datetime:
        """The moment after which `apply` replaces it."""
        return self.ends - (self.ends - self.begins) / LEFT


def latest(kept: Iterable[Kept]) -> Mapping[str, Kept]:
    """Lineage → the certificate of its last generation."""
    found: dict[str, Kept] = {}
    for one in kept:
        if one.lineage not in found or found[one.lineage].generation < one.generation:
            found[one.lineage] = one
    return found


def first_to_end(kept: Iterable[Kept], used: Iterable[tuple[str, int]]) -> Kept | None:
    """Of these certificates (lineage and generation) the one that ends first; None without any."""
    wanted = frozenset(used)
    found = (one for one in kept if (one.lineage, one.generation) in wanted)
    return min(found, key=lambda one: one.ends, default=None)


def generations(kept: Iterable[Kept], now: datetime) -> Mapping[str, int]:
    """Lineage → the generation to use at `now`: the last one, or the next when that is old."""
    return {
        lineage: one.generation + (now > one.renewed_from) for lineage, one in latest(kept).items()
    }
