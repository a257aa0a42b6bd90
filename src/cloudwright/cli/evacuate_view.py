"""What an evacuation would do to each instance, and what it did, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cloudwright.cli.options import columns
from cloudwright.operations.evacuate import loss

if TYPE_CHECKING:
    from cloudwright.execute.evacuate.moving import Result
    from cloudwright.operations.evacuate import Instance, Move, Outlook


def told(plan: Outlook, hosts: Sequence[str]) -> str:
    """Every instance of the lost hosts: where it goes, and what becomes of its disks."""
    rows = [(*_who(move.instance), _where(move), loss(move.instance)) for move in plan.moves]
    rows += [(*_who(one), "under way", loss(one)) for one in plan.under_way]
    rows += [(*_who(one), "no room", why) for one, why in plan.homeless]
    rows += [(*_who(one), "cannot be moved", why) for one, why in plan.stays]
    if not rows:
        return f"no instance is on {', '.join(hosts)}"
    return columns(("INSTANCE", "ID", "WAS", "ON", "GOES TO", ""), rows)


def table(results: Iterable[Result], plan: Outlook) -> str:
    """How each ended, those that were not moved at the end."""
    rows = [
        (r.instance.name, r.instance.id, r.host, r.status, f"{r.seconds:.1f}", r.why)
        for r in results
    ]
    rows += [
        (one.name, one.id, one.host, "not moved", "-", why)
        for one, why in (*plan.homeless, *plan.stays)
    ]
    clipped = [(*row[:-1], row[-1].partition("\n")[0]) for row in rows]
    return columns(("INSTANCE", "ID", "ON", "STATUS", "SECONDS", ""), clipped)


def _who(one: Instance) -> tuple[str, str, str, str]:
    return (one.name, one.id, one.state, one.host)


def _where(move: Move) -> str:
    pinned = move.instance.zone not in ("", move.zone)
    return f"{move.host} (was asked for in zone {move.instance.zone})" if pinned else move.host
