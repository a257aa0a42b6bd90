"""Whether all that was acknowledged is there after a drill, and all that was removed is not."""

from __future__ import annotations

from contextlib import suppress

from cloudwright.errors import CloudError
from cloudwright.execute.drill import rows
from cloudwright.execute.drill.bench import Bench
from cloudwright.execute.drill.creates import Creates
from cloudwright.execute.drill.load import NoAnswerError
from cloudwright.execute.drill.messages import drain
from cloudwright.execute.drill.uploads import Uploads
from cloudwright.execute.host.fleet import Fleet
from cloudwright.operations.drill.records import Ledger

Written = tuple[frozenset[int], dict[str, frozenset[int]]]
"""The rows of the load, and those of each host's sampler."""


async def ledgers(
    fleet: Fleet, bench: Bench, taken: dict[str, frozenset[int]]
) -> tuple[Ledger, ...]:
    """One for each kind of write; `taken`: host → rows that its sampler's member acknowledged.

    A place that does not answer is left out of `found`.
    """
    written = await _rows(fleet, bench)
    everywhere = {place: all_written for place, (all_written, _) in written.items()}
    return (
        Ledger(
            kind=bench.rows.name,
            acknowledged=frozenset(bench.rows.acknowledged),
            found=everywhere,
        ),
        await _messages(bench),
        await _ports(bench),
        *([await ledger_of(bench.creates)] if bench.creates else []),
        *([await uploaded(bench.uploads)] if bench.uploads else []),
        *(
            Ledger(
                kind=f"row sampled on {host}",
                acknowledged=numbers,
                found={p: by_host.get(host, frozenset()) for p, (_, by_host) in written.items()},
            )
            for host, numbers in taken.items()
        ),
    )


async def _rows(fleet: Fleet, bench: Bench) -> dict[str, Written]:
    written = {}
    for host, server in (await bench.members(fleet)).items():
        with suppress(CloudError):
            written[f"the member on {host}"] = await rows.rows_in(server)
    return written


async def _messages(bench: Bench) -> Ledger:
    queue = {}
    with suppress(NoAnswerError):
        queue["the queue"] = await drain(bench.messages.broker)
    return Ledger(
        kind=bench.messages.name,
        acknowledged=frozenset(bench.messages.acknowledged),
        found=queue,
    )


async def _ports(bench: Bench) -> Ledger:
    ports, found = bench.ports, {}
    with suppress(NoAnswerError):
        found["Neutron"] = await ports.found()
    return Ledger(
        kind=ports.name,
        acknowledged=frozenset(ports.made - ports.removed - ports.unsure),
        found=found,
        removed=frozenset(ports.removed),
    )


async def ledger_of(creates: Creates) -> Ledger:
    """That of servers."""
    found = {}
    with suppress(NoAnswerError):
        found["Nova"] = await creates.found()
    return Ledger(
        kind=creates.name,
        acknowledged=frozenset(creates.acknowledged - creates.removed - creates.unsure),
        found=found,
        removed=frozenset(creates.removed),
    )


async def uploaded(uploads: Uploads) -> Ledger:
    """That of machine images: one that is there, and whose data is not, is lost."""
    return Ledger(
        kind=uploads.name,
        acknowledged=frozenset(uploads.acknowledged),
        found={"Glance": await uploads.found()},
    )
