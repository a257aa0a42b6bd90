"""Whether two sides of a partition took writes apart from each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One try to write, made on a member's own host through its own socket.

    `began` and `ended` are in seconds since the drill's start, by the host's clock; `view` holds
    the members (`wsrep_incoming_addresses`) that the member was together with; empty when it did
    not say.
    """

    host: str
    began: float
    ended: float
    taken: bool
    view: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoWriters:
    """Two members that took a write, each in a cluster without the other."""

    one: Sample
    other: Sample


def two_writers(
    samples: Iterable[Sample], addresses: Mapping[str, str], since: float, until: float
) -> TwoWriters | None:
    """The first proof that the cluster split while the failure lasted, None when there is none.

    Members that write and see each other (over a third site that both reach) are one cluster.
    When each took a write in a view without the other, two clusters live: only a majority of the
    last view may go on, so that two such views cannot follow each other within one failure.
    `addresses` maps a host to its member's address as a view has it.
    """
    taken: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.taken and sample.view and since <= sample.began <= until:
            taken[sample.host].append(sample)
    for one, other in combinations(sorted(taken), 2):
        without_other = [s for s in taken[one] if addresses[other] not in s.view]
        without_one = [s for s in taken[other] if addresses[one] not in s.view]
        if without_other and without_one:
            return TwoWriters(one=without_other[0], other=without_one[0])
    return None


def stopped_after(samples: Sequence[Sample], host: str, since: float, until: float) -> float:
    """Seconds from `since` to the last write that `host` took before `until`; 0 for none."""
    ends = [s.ended for s in samples if s.host == host and s.taken and since < s.began < until]
    return max(ends, default=since) - since
