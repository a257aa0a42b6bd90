"""What a drill breaks on purpose, and which failure of `what-if` that is."""

from __future__ import annotations

from dataclasses import dataclass

from cloudwright.errors import InvalidCloud, Problem
from cloudwright.model.cloud import Cloud
from cloudwright.operations.what_if import Failure, lose, partition


@dataclass(frozen=True, kw_only=True, slots=True)
class LoseHosts:
    """The power of hosts, all at once."""

    label: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The line between each two of these sites; a site that is not named keeps reaching all. Of
    one alone: all its lines."""

    label: str
    sites: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KillContainer:
    """The first process of one container, by SIGKILL."""

    label: str
    container: str
    host: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeContainer:
    """Every process of one container, by SIGSTOP: it holds its connections and answers nobody."""

    label: str
    container: str
    host: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FillDisk:
    """The space on the disk that holds the volumes of one host's containers, all of it."""

    label: str
    host: str


Injury = LoseHosts | Cut | KillContainer | FreezeContainer | FillDisk


def lose_site(cloud: Cloud, site: str) -> LoseHosts:
    """The loss of a whole site; InvalidCloud when there is none of that name."""
    hosts = _lost(cloud, f"site:{site}")
    return LoseHosts(label=f"lose-site {site}", hosts=hosts)


def lose_host(cloud: Cloud, host: str) -> LoseHosts:
    """The loss of a host; InvalidCloud when there is none of that name."""
    return LoseHosts(label=f"lose-host {host}", hosts=_lost(cloud, f"host:{host}"))


def cold_start(cloud: Cloud) -> LoseHosts:
    """The power fails everywhere at once."""
    return LoseHosts(label="cold-start", hosts=tuple(host.name for host in cloud.hosts))


def cut(cloud: Cloud, sites: tuple[str, ...]) -> Cut:
    """A partition; InvalidCloud for an unknown site, or when there are no two sides."""
    partition(cloud, _sides(cloud, sites))
    return Cut(label=f"partition {' '.join(sites)}", sites=sites)


def kill_container(cloud: Cloud, container: str, host: str) -> KillContainer:
    """The death of one container's process; InvalidCloud for a host that is not there."""
    _must_be_there(cloud, host)
    label = f"kill-service {container} on {host}"
    return KillContainer(label=label, container=container, host=host)


def freeze_container(cloud: Cloud, container: str, host: str) -> FreezeContainer:
    """One container that hangs; InvalidCloud for a host that is not there."""
    _must_be_there(cloud, host)
    label = f"freeze-service {container} on {host}"
    return FreezeContainer(label=label, container=container, host=host)


def fill_disk(cloud: Cloud, host: str) -> FillDisk:
    """A disk without space; InvalidCloud for a host that is not there."""
    _must_be_there(cloud, host)
    return FillDisk(label=f"full-disk {host}", host=host)


def failure_of(cloud: Cloud, injury: Injury) -> Failure:
    """The same failure as `what-if` has it: what is lost is lost until somebody repairs it.

    The death of a process loses nothing: the host's engine starts it again. Nor does one that
    hangs: the others go on without it. A host that can write nothing is as good as lost.
    """
    match injury:
        case LoseHosts(hosts=hosts):
            return lose(cloud, tuple(f"host:{host}" for host in hosts))
        case FillDisk(host=host):
            return lose(cloud, (f"host:{host}",))
        case Cut(sites=sites):
            return partition(cloud, _sides(cloud, sites))
        case KillContainer(label=label) | FreezeContainer(label=label):
            return Failure(label=label, sides=(frozenset(h.name for h in cloud.hosts),))


def _sides(cloud: Cloud, sites: tuple[str, ...]) -> str:
    others = ",".join(site.name for site in cloud.sites if site.name not in sites)
    return "|".join(sites if len(sites) > 1 else (*sites, others))


def _must_be_there(cloud: Cloud, host: str) -> None:
    if not any(one.name == host for one in cloud.hosts):
        known = ", ".join(one.name for one in cloud.hosts)
        raise InvalidCloud(
            (Problem(file="cloud.yaml", text=f"no host is called {host}", hint=known),)
        )


def _lost(cloud: Cloud, name: str) -> tuple[str, ...]:
    up = lose(cloud, (name,)).up
    return tuple(host.name for host in cloud.hosts if host.name not in up)
