"""This cloud and this host: all that a function which renders files may look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudwright.model.cloud import VOTERS, Cloud, Host
from cloudwright.model.facts import Facts
from cloudwright.model.secrets import Ca, Secret, current

BACKEND_OFFSET = 10_000
"""An API's container listens this far above the port that the load balancer shows."""

CA_PATH = "/etc/cloudwright/ca.pem"
"""Where every container sees the certificate of the cloud's own authority."""

AUTHORITY = Secret(name="authority", recipe=Ca())
"""The cloud's own certificate authority; every container trusts it."""


Listener = tuple[str, int]
"""An address of a host, and a TCP port of it that a process listens on."""

BEHIND_SECONDS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontend:
    """What the load balancer shows: derived from every `Api` of every service."""

    name: str  # the container behind it
    port: int
    check: str
    mode: str
    external: bool
    backends: tuple[Host, ...]
    check_seconds: int = 0
    """Between two questions whether a container is well; 0: as for all others."""
    one_at_a_time: bool = False
    """Whether the first that answers gets every request."""
    tls: bool = False
    """Whether the containers speak TLS, each with a certificate of its own."""

    def behind(self, host: Host) -> tuple[Host, ...]:
        """Backends that the load balancer of `host` asks nothing while others answer: no request
        crosses to another site while one of this site's is there."""
        if self.one_at_a_time:
            return self.backends[1:]
        return tuple(backend for backend in self.backends if backend.site != host.site)

    def seconds_between_checks(self, backend: Host, host: Host) -> int:
        """How often the load balancer of `host` asks whether `backend` is well; 0: as usual.

        A check is a TLS handshake for both ends: as each backend was asked twice a second, the two
        load balancers of an idle cloud of two sites took 0.14 processors, and 0.09 now.
        """
        rare = BEHIND_SECONDS if backend in self.behind(host) else 0
        return max(rare, self.check_seconds)

    @property
    def backend_port(self) -> int:
        """Where the containers listen."""
        return self.port + BACKEND_OFFSET


@dataclass(frozen=True, kw_only=True, slots=True)
class At:
    """`cloud` and `host`, what preflight found on it (`facts`), and every load-balancer front.

    `generations` are those of certificates (`Secret.lineage` → generation) that were renewed.
    """

    cloud: Cloud
    host: Host
    facts: Facts
    frontends: tuple[Frontend, ...] = ()
    generations: Mapping[str, int] = field(default_factory=dict)

    @property
    def controllers(self) -> tuple[Host, ...]:
        """Hosts of the control role, in the file's order."""
        return self.cloud.hosts_with("control")

    @property
    def voters(self) -> tuple[Host, ...]:
        """Hosts with a vote in clusters: controllers, and witnesses."""
        return self.cloud.hosts_with(VOTERS)

    def nearest(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """The same hosts: this one first, then those of its site, then all others."""
        own = self.host
        return tuple(sorted(hosts, key=lambda h: (h.name != own.name, h.site != own.site)))

    @property
    def is_first_controller(self) -> bool:
        """Whether this host is the one where things that happen once are done."""
        return self.host.name == self.controllers[0].name

    def here(self, *ports: int) -> tuple[Listener, ...]:
        """These ports of the host's own address."""
        return tuple((self.host.address, port) for port in ports)

    def url(self, port: int, path: str = "", *, external: bool = False) -> str:
        """An API's address behind the load balancer."""
        address = self.cloud.api.external if external else self.cloud.api.internal
        return f"https://{address}:{port}{path}"

    def current(self, secret: Secret) -> Secret:
        """The secret in the generation that is in use now."""
        return current(secret, self.generations)

    def password(self, name: str) -> str:
        """The placeholder of a password; its value is made on first use."""
        return str(Secret(name=name))
