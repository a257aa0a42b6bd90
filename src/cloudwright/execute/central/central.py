"""What a cloud has once, not per host: databases, the queue's accounts, Keystone's entries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from cloudwright.errors import HostError
from cloudwright.execute.central import zones
from cloudwright.execute.central.keystone import ROLES, Catalog
from cloudwright.execute.central.links import Links
from cloudwright.plan.difference import DRIFTED, Seen
from cloudwright.plan.steps import (
    MakeDatabase,
    MakeIdentity,
    MakeQueueUser,
    MakeZone,
    RunJob,
    Step,
)

BRIEF = 120
"""Characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CentralView:
    """What was seen, and the steps of which nothing could be: id → who is silent, and why."""

    seen: Mapping[str, Seen]
    silent: Mapping[str, str]


async def look(links: Links, steps: Iterable[Step]) -> CentralView:
    """Ask the database, the message queue and Keystone, all at once."""
    steps = tuple(steps)
    views = await asyncio.gather(
        _ask("mariadb", _databases, links, [s for s in steps if _in_database(s)]),
        _ask("rabbitmq", _queue, links, _of(steps, MakeQueueUser)),
        _ask("keystone", _identities, links, _of(steps, MakeIdentity)),
        _ask("nova", _zones, links, _of(steps, MakeZone)),
    )
    return CentralView(
        seen={id: seen for view in views for id, seen in view.seen.items()},
        silent={id: why for view in views for id, why in view.silent.items()},
    )


def unseen(view: CentralView, there: Iterable[str]) -> dict[str, Seen]:
    """The steps that nobody could look at because a service is silent, whose containers exist.

    `there` are the ids of containers that were found. Of a service that has none yet, nothing is
    there, and that needs no word.
    """
    services = {id.partition("/")[0] for id in there}
    return {
        id: Seen(digest=DRIFTED, why=f"cannot be looked at: {why}")
        for id, why in view.silent.items()
        if why.partition(" ")[0] in services
    }


Look = Callable[[Links, list[Step]], Awaitable[dict[str, Seen]]]


async def _ask(service: str, look: Look, links: Links, steps: list[Step]) -> CentralView:
    try:
        return CentralView(seen=await look(links, steps) if steps else {}, silent={})
    except (HostError, OSError) as error:
        why = f"{service} does not answer ({_brief(error)})"
        return CentralView(seen={}, silent={step.id: why for step in steps})


def _brief(error: HostError | OSError) -> str:
    """The error in one line, which a hostile answer cannot make a page of."""
    parts = (error.what, error.why) if isinstance(error, HostError) else (str(error),)
    return " ".join(": ".join(part for part in parts if part).split())[:BRIEF]


def _of(steps: Iterable[Step], kind: type) -> list[Step]:
    return [step for step in steps if isinstance(step.action, kind)]


def _in_database(step: Step) -> bool:
    return isinstance(step.action, MakeDatabase | RunJob)


async def _databases(links: Links, steps: list[Step]) -> dict[str, Seen]:
    """Databases, their users, and the effects of jobs."""
    server = links.database
    there = await server.contents(s.action.probe for s in steps if isinstance(s.action, RunJob))

    async def one(step: Step) -> Seen | None:
        match step.action:
            case MakeDatabase(database=database, user=user, password=password):
                if (database, user) not in there.owners:
                    why = f"user {user} or its rights are missing, or it needs no TLS"
                    return Seen(digest=DRIFTED, why=why) if database in there.names else None
                if await server.accepts(user, links.values[password]):
                    return Seen(digest=step.digest)
                return Seen(digest=DRIFTED, why=f"user {user} cannot log in")
            case RunJob(probe=probe) if step.id in there.digests and probe in there.given:
                return Seen(digest=there.digests[step.id], why="its meaning changed")
            case _:
                return None

    found = await asyncio.gather(*(one(step) for step in steps))
    return {step.id: seen for step, seen in zip(steps, found, strict=True) if seen}


async def _queue(links: Links, steps: list[Step]) -> dict[str, Seen]:
    """Accounts of the message queue."""
    seen = {}
    for step in steps:
        assert isinstance(step.action, MakeQueueUser)
        password = links.values[step.action.password]
        why = await links.queue.difference(step.action.user, password, step.action.vhost)
        seen[step.id] = Seen(digest=DRIFTED, why=why) if why else Seen(digest=step.digest)
    return seen


async def _identities(links: Links, steps: list[Step]) -> dict[str, Seen]:
    """Users, their roles, and endpoints."""
    catalog = await links.keystone.catalog()
    seen = {}
    for step in steps:
        assert isinstance(step.action, MakeIdentity)
        why = _missing(step.action, catalog)
        if why is None:
            seen[step.id] = Seen(digest=step.digest)
        elif why:
            seen[step.id] = Seen(digest=DRIFTED, why=why)
    return seen


async def _zones(links: Links, steps: list[Step]) -> dict[str, Seen]:
    """Availability zones and their hosts."""
    seen = {}
    urls = dict.fromkeys(s.action.url for s in steps if isinstance(s.action, MakeZone))
    there = {url: await zones.look(links.keystone, url) for url in urls}
    for step in steps:
        assert isinstance(step.action, MakeZone)
        why = zones.difference(step.action, there[step.action.url])
        if why is None:
            seen[step.id] = Seen(digest=step.digest)
        elif why:
            seen[step.id] = Seen(digest=DRIFTED, why=why)
    return seen


def _missing(action: MakeIdentity, catalog: Catalog) -> str | None:
    """What of a service's identity Keystone does not hold, in words.

    None when all is there, empty when nothing is.
    """
    roles = catalog.users.get(action.user, frozenset())
    words = []
    if action.user and not roles:
        words.append(f"user {action.user} or its roles are missing")
    elif action.user and not roles >= set(ROLES):
        lacks = ", ".join(sorted(set(ROLES) - roles))
        words.append(f"user {action.user} lacks role {lacks} in project service")
    there = 0
    for endpoint in action.endpoints:
        for interface, url in (("internal", endpoint.internal), ("public", endpoint.public)):
            found = catalog.endpoints.get((endpoint.type, interface))
            there += found is not None
            if found != url:
                words.append(f"{interface} endpoint of {endpoint.type} is {found or 'missing'}")
    if not words:
        return None
    return ", ".join(words) if roles or there else ""
