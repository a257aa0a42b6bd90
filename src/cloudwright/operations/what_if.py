"""What a failure would take away, worked out from `cloud.yaml` and the services' declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from cloudwright.declare.rollout import Quorum
from cloudwright.declare.service import Container, Service, hosts_of
from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model.cloud import VOTERS, Cloud, Ha
from cloudwright.services.selffence import order
from cloudwright.services.selffence.rule import together


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """`label` for a person; `sides`: the hosts that are up, by who still works with whom; `aside`:
    those of them that reach somebody of the side that goes on, and step aside (`self-fence`), when
    the database has not settled it otherwise before that."""

    label: str
    sides: tuple[frozenset[str], ...]
    aside: frozenset[str] = frozenset()

    @property
    def up(self) -> frozenset[str]:
        """Every host that is up, on whichever side."""
        return frozenset().union(*self.sides)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """A cluster that decides by majority: `votes` of each side, of `voters` before.

    `side` is the one that goes on, None when none has a majority of those before.
    """

    cluster: str
    voters: int
    votes: tuple[int, ...]
    side: int | None
    keeps_data: bool
    """Whether a member with data is on the side that goes on (arbitrators have none)."""
    holds_data: bool
    """Whether a member with data is up on any side."""

    @property
    def goes_on(self) -> bool:
        """Whether it takes writes somewhere."""
        return self.side is not None and self.keeps_data


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What is left after a failure.

    `serves`: the side that every vote and the APIs' address end up on, None when the cloud stops;
    `address`: its hosts of which one has that address. `idle`: containers that no host of that
    side has. `computes`: hosts with instances that are lost or cut off; `cut_off`: of those, the
    ones that are up on another side; `computes_left`: all others. `caches`: controllers whose
    cache is lost. `files`: (container, host) whose files were on that host alone; `late`: those of
    which another host has copies, but for what came in the last moments. `gateways`: hosts of role
    network on the side that serves, `gateways_lost` all others; what that means for floating IPs
    depends on `ha`.
    """

    failure: Failure
    votes: tuple[Vote, ...]
    serves: int | None
    address: tuple[str, ...]
    idle: tuple[str, ...]
    computes: tuple[str, ...]
    computes_left: tuple[str, ...]
    cut_off: tuple[str, ...]
    gateways: tuple[str, ...]
    gateways_lost: tuple[str, ...]
    ha: Ha
    caches: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    late: tuple[tuple[str, str], ...]

    @property
    def survives(self) -> bool:
        """Whether every API goes on, for writes too."""
        return self.serves is not None and not self.idle

    @property
    def can_be_forced(self) -> bool:
        """Whether what is left could go on by a person's word (`failover`): all of it is on one
        side, no majority, and has a copy of everything."""
        stopped = [vote for vote in self.votes if not vote.goes_on]
        one_side = len(self.failure.sides) == 1
        return one_side and bool(stopped) and all(vote.holds_data for vote in self.votes)


def forecast(cloud: Cloud, services: Sequence[Service], failure: Failure) -> Forecast:
    """What `failure` leaves of `cloud`. A cluster goes on where more than half of its votes are;
    exactly half is no majority (Galera, raft and RabbitMQ's quorum queues alike)."""
    votes = tuple(_vote(cloud, group, failure) for group in clusters(cloud, services))
    sides = {vote.side for vote in votes if vote.goes_on}
    whole = all(vote.goes_on for vote in votes) and len(sides) <= 1
    serves = (sides.pop() if sides else _only_side(failure)) if whole else None
    there = failure.sides[serves] if serves is not None else frozenset()
    idle = [
        container.name
        for container in _served(cloud, services)
        if serves is not None and not _names(cloud, container) & there
    ]
    hypervisors = [h.name for h in cloud.hosts_with("compute")]
    computes = tuple(name for name in hypervisors if name not in there)
    gateways = [h.name for h in cloud.hosts_with("network")]
    return Forecast(
        failure=failure,
        votes=votes,
        serves=serves,
        address=tuple(h.name for h in cloud.hosts_with("control") if h.name in there),
        idle=tuple(idle),
        computes=computes,
        computes_left=tuple(name for name in hypervisors if name in there),
        cut_off=tuple(name for name in computes if name in failure.up),
        gateways=tuple(name for name in gateways if name in there),
        gateways_lost=tuple(name for name in gateways if name not in there),
        ha=cloud.network.ha,
        files=tuple(_files(cloud, services, failure, copied=False)),
        late=tuple(_files(cloud, services, failure, copied=True)),
        caches=tuple(h.name for h in cloud.hosts_with("control") if h.name not in failure.up),
    )


def would_stop(cloud: Cloud, services: Sequence[Service], after: Forecast) -> tuple[str, ...]:
    """Who must not fail beside `after`: hosts with a vote, of the side that serves, the loss of
    any of which would stop the cloud. Nobody when it has stopped, nor when some step aside: they
    still reach a part of that side, and may go on with it.
    """
    if not after.survives or after.serves is None or after.failure.aside:
        return ()
    there = after.failure.sides[after.serves]
    voters = [host.name for host in cloud.hosts_with(VOTERS) if host.name in there]
    return tuple(
        name
        for name in voters
        if not forecast(cloud, services, Failure(label="", sides=(there - {name},))).survives
    )


def _files(
    cloud: Cloud, services: Sequence[Service], failure: Failure, *, copied: bool
) -> Iterator[tuple[str, str]]:
    """(container, host) of files on lost hosts that are no cluster's data."""
    bringers = {c.copied_by for c in _served(cloud, services)}
    for container in _served(cloud, services):
        kept = container.volumes and not isinstance(container.rollout, Quorum)
        if not kept or container.name in bringers:
            continue
        hosts = _names(cloud, container)
        elsewhere = bool(container.copied_by) and bool(hosts & failure.up)
        if elsewhere is copied:
            yield from ((container.name, host) for host in sorted(hosts - failure.up))


def clusters(
    cloud: Cloud, services: Sequence[Service]
) -> Iterator[tuple[str, tuple[Container, ...]]]:
    """(name, containers) of each group of containers that vote together."""
    for service in services:
        groups: dict[str, list[Container]] = {}
        for container in service.containers:
            if isinstance(container.rollout, Quorum) and hosts_of(cloud, container):
                name = container.rollout.cluster or container.name
                groups.setdefault(name, []).append(container)
        yield from ((name, tuple(members)) for name, members in groups.items())


def _vote(cloud: Cloud, group: tuple[str, tuple[Container, ...]], failure: Failure) -> Vote:
    name, containers = group
    hosts = [host for c in containers for host in _names(cloud, c)]
    keepers = {host for c in containers if c.volumes for host in _names(cloud, c)}
    votes = tuple(sum(host in side for host in hosts) for side in failure.sides)
    side = next((i for i, count in enumerate(votes) if count * 2 > len(hosts)), None)
    return Vote(
        cluster=name,
        voters=len(hosts),
        votes=votes,
        side=side,
        keeps_data=side is not None and bool(keepers & failure.sides[side]),
        holds_data=bool(keepers & failure.up),
    )


def _served(cloud: Cloud, services: Sequence[Service]) -> Iterator[Container]:
    """Containers of which the cloud needs one somewhere: APIs, and all else of controllers."""
    for service in services:
        for container in service.containers:
            if container.role == "control" and _names(cloud, container):
                yield container


def _names(cloud: Cloud, container: Container) -> frozenset[str]:
    return frozenset(host.name for host in hosts_of(cloud, container))


def _only_side(failure: Failure) -> int | None:
    return 0 if len(failure.sides) == 1 else None


def lose(cloud: Cloud, names: Iterable[str]) -> Failure:
    """The failure of hosts (`host:NAME` or `NAME`) and sites (`site:NAME`) at once.

    Raises InvalidCloud for a name that the cloud does not have.
    """
    wanted = tuple(names)
    gone = frozenset().union(*(meant(cloud, name) for name in wanted))
    up = frozenset(host.name for host in cloud.hosts) - gone
    return Failure(label=f"lose {' '.join(wanted)}", sides=(up,))


def partition(cloud: Cloud, text: str) -> Failure:
    """Sites that no longer reach each other: `a|b`; those not named reach every side, and stay
    with the one that goes on.

    Raises InvalidCloud for fewer than two sides, an unknown site, or one named twice.
    """
    named = [[word.strip() for word in side.split(",")] for side in text.split("|")]
    flat = [name for side in named for name in side]
    if len(named) < 2 or len(set(flat)) != len(flat):
        raise _problem(f'"{text}" is no partition', 'such as "a|b" or "a,w|b"')
    sides = [frozenset().union(*(meant(cloud, f"site:{name}") for name in side)) for side in named]
    rest = frozenset(host.name for host in cloud.hosts) - frozenset().union(*sides)
    if not rest:
        return Failure(label=f"partition {text}", sides=tuple(sides))
    voters = tuple(host.name for host in order(cloud))
    on = together(voters, _links(voters, sides, rest))
    joined = [side | rest if on and on <= side | rest else side for side in sides]
    return Failure(
        label=f"partition {text}",
        sides=tuple(joined) if on else (*sides, rest),
        aside=frozenset(voters) - on if on else frozenset(),
    )


def _links(
    voters: Sequence[str], sides: Sequence[frozenset[str]], rest: frozenset[str]
) -> frozenset[frozenset[str]]:
    """Pairs that still see each other: on one side, or one of them sees every side."""
    return frozenset(
        frozenset(pair)
        for pair in combinations(voters, 2)
        if rest & set(pair) or any(side.issuperset(pair) for side in sides)
    )


def every(cloud: Cloud, most: int) -> tuple[Failure, ...]:
    """The loss of every set of one to `most` things: sites, and hosts not alone in theirs."""
    things = [f"site:{site.name}" for site in cloud.sites]
    things += [
        f"host:{host.name}"
        for host in cloud.hosts
        if any(other.site == host.site for other in cloud.hosts if other is not host)
    ]
    chosen = (c for count in range(1, most + 1) for c in combinations(things, count))
    seen: dict[frozenset[str], Failure] = {}
    for names in chosen:
        failure = lose(cloud, names)
        seen.setdefault(failure.up, failure)
    return tuple(seen.values())


def meant(cloud: Cloud, name: str) -> frozenset[str]:
    """The hosts behind `site:NAME`, `host:NAME` or `NAME`; InvalidCloud when there are none."""
    kind, _, rest = name.rpartition(":")
    if kind == "site":
        hosts = frozenset(host.name for host in cloud.hosts if host.site == rest)
    else:
        hosts = frozenset(host.name for host in cloud.hosts if host.name == rest)
    if kind not in ("", "site", "host") or not hosts:
        sites = ", ".join(f"site:{site.name}" for site in cloud.sites)
        known = ", ".join(host.name for host in cloud.hosts)
        raise _problem(f'there is no "{name}"', f"{sites}; hosts: {known}")
    return hosts


def _problem(text: str, hint: str) -> InvalidCloud:
    return InvalidCloud((Problem(file="cloud.yaml", text=text, hint=hint),))
