"""Whether members that lost the whole cluster may go on as one, with nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from asked import ASIDE, NO
from asking import ask

ASK_SECONDS = 1.0


def names_of(view: str) -> dict[str, str]:
    """Number → name of each member in what Galera tells of a view (`notify.sh`)."""
    parts = [member.split("/") for member in view.strip().split(",")]
    return {part[0]: part[1] for part in parts if len(part) > 1}


def may_go_on(
    last: Mapping[str, str], now: AbstractSet[str], keepers: Sequence[str], own: str
) -> bool:
    """Whether `own` is to make those of `now` (numbers) the cluster, after the `last` whole one.

    Galera does it by itself only when each process of the last whole cluster is back. More than
    half of those very processes hold whatever it had acknowledged, and nobody else can have gone
    on without them. Of those that keep data (`keepers`, names) the first does it.
    """
    if not now <= last.keys() or 2 * len(now) <= len(last):
        return False
    there = [name for name in keepers if name in {last[number] for number in now}]
    return there[:1] == [own]


def is_agreed(address: str, port: int) -> bool:
    """Whether this host's self-fence says that it goes on; not when it says nothing."""
    agreed: bool = ask(address, port, ASIDE, ASK_SECONDS) == NO
    return agreed
