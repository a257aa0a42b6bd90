"""What could be read of a `cloud.yaml`, right or wrong: what the rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from cloudwright.errors import Problem
from cloudwright.model.cloud import ROLES, Api, Host, Networks, Site, Ssh
from cloudwright.model.decode import Path, Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What could be read of a `cloud.yaml`, right or wrong, and where each value stands.

    None is what could not be read (a problem already); `whole` says that no site and no host is
    missing for that reason, so that rules about what is *not* there may speak. `releases` are the
    names of those that there are, None when nobody asks.
    """

    file: str
    name: str = ""
    release: str = ""
    releases: tuple[str, ...] | None = None
    region: str = ""
    prefix: str = ""
    base: str = ""
    survive: str = ""
    ha: str = ""
    sites: tuple[Site, ...] = ()
    hosts: tuple[Host, ...] = ()
    networks: Networks | None = None
    api: Api | None = None
    ssh: Ssh | None = None
    whole: bool = True
    places: Mapping[Path, Place] = field(default_factory=dict)

    def problem(self, path: Path, text: str, hint: str = "") -> Problem:
        """A problem at `path`, or at the nearest thing around it that stands in the file."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (0, 0))
        return Problem(file=self.file, line=line, column=column, text=text, hint=hint)

    @property
    def controllers(self) -> tuple[Host, ...]:
        """Hosts of role control."""
        return tuple(host for host in self.hosts if "control" in host.roles)

    @property
    def knows_roles(self) -> bool:
        """Whether every host and each of its roles could be read: then who has a role, and that
        nobody has it, may be said."""
        return self.whole and all(role in ROLES for host in self.hosts for role in host.roles)

    @property
    def voters(self) -> tuple[Host, ...]:
        """Hosts with a vote in clusters: controllers, and witnesses."""
        return tuple(h for h in self.hosts if {"control", "witness"} & set(h.roles))

    def logins(self, key: str) -> Iterator[tuple[Path, Ssh]]:
        """The cloud's own `ssh`, and that of each host that says another `key`, with its place."""
        ours = ("ssh", key)
        if self.ssh:
            yield ours, self.ssh
        for host in self.hosts:
            path = ("hosts", host.name, *ours)
            if self.places.get(path) != self.places.get(ours):
                yield path, host.ssh

    def line(self, path: Path) -> int:
        """The line of `path`, 0 when unknown."""
        return self.places.get(path, (0, 0))[0]


Rule = Callable[[Draft], Iterator[Problem]]
"""Finds every problem of one kind."""


def address_of(text: str) -> IPv4Address | None:
    """The address that `text` spells, None when it spells none."""
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def no_host_at(ip: IPv4Address) -> str:
    """Why no host can be reached at `ip`; empty where one can."""
    if ip.is_loopback:
        return "every machine is itself there"
    if ip.is_unspecified:
        return "it stands for all addresses"
    if ip.is_multicast:
        return "it is of a group of hosts (multicast)"
    return "it is reserved" if ip.is_reserved else ""


def network_of(text: str) -> IPv4Network | None:
    """The network that `text` spells with its prefix length, None when it spells none."""
    try:
        return IPv4Network(text) if "/" in text else None
    except ValueError:
        return None
