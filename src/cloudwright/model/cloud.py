"""What the operator asked for: the cloud that `cloud.yaml` describes, nothing that was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cloudwright.model.facts import Facts

DEFAULT_RELEASE = "2026.2"
"""Of OpenStack, where none is named. It stands here and is not just the newest that there is: a
folder more in `releases/` must not upgrade the clouds whose files name none."""

ROLES = ("control", "network", "compute", "witness")
"""Every role a host may have. `control`: APIs, database, queue. `network`: the way out and in.
`compute`: instances. `witness`: nothing but a vote in each cluster."""

VOTERS = "control+witness"
"""The roles whose hosts have a vote in clusters."""

OVERRIDES = "config"
"""Where the operator's own INI files are looked for when `cloud.yaml` does not say."""

Virt = Literal["auto", "kvm", "qemu"]
Datapath = Literal["auto", "kernel", "userspace"]
ApiMode = Literal["vrrp", "anycast", "dns"]
Ha = Literal["central", "distributed"]
Survive = Literal["site", "host"]
Engine = Literal["podman", "docker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ssh:
    """How a host is reached. Root, or a user whose sudo asks for no password."""

    user: str = "root"
    """Who logs in."""
    port: int = 22
    """The port of the host's SSH server."""
    key: str | None = None
    """File of the private key, from `cloud.yaml` on; else the lab's key, the agent, `~/.ssh`."""
    known_hosts: str | None = None
    """File of the host keys to trust; else the lab's, then `~/.ssh/known_hosts`. Never ignored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A data center: what fails together."""

    name: str
    """A DNS label."""
    witness: bool = False
    """Its hosts only vote in clusters: they carry no instances and no traffic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A machine that the cloud runs on."""

    name: str
    """A DNS label; what the machine calls itself."""
    address: str
    """Its address in the management network: SSH, APIs, database, queue."""
    site: str
    """The site it stands in."""
    roles: tuple[str, ...]
    """What it does: any of `ROLES`."""
    tunnel_address: str | None = None
    """Its address for traffic between instances; `address` when not given."""
    tunnel_interface: str | None = None
    """The network card of `tunnel_address`; found by that address when not given."""
    external_interface: str | None = None
    """The network card given to the bridge of the external network (hosts of role `network`, and
    of role `compute` with `network.ha: distributed`).
    Open vSwitch takes it whole: it must carry no address of the host."""
    ssh: Ssh = field(default_factory=Ssh)
    """How it is reached; what is not given is taken from the cloud's own `ssh`."""

    def has(self, role: str) -> bool:
        """Whether it has `role` (`network+compute`: either; `compute-control`: not the second)."""
        wanted, _, unwanted = role.partition("-")
        return unwanted not in self.roles and any(r in self.roles for r in wanted.split("+"))

    @property
    def tunnel(self) -> str:
        """The address that tunnels between hosts end at."""
        return self.tunnel_address or self.address


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network of the hosts."""

    cidr: str
    """Such as `10.64.0.0/24`."""
    mtu: int = 1500
    """The largest packet in bytes that every card and switch of it takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class External:
    """The network that instances reach the world by, and floating IPs come from."""

    cidr: str
    """Such as `203.0.113.0/24`."""
    gateway: str
    """The router out of it; not ours."""
    pool_start: str
    """First address that the cloud may hand out."""
    pool_end: str
    """Last address that the cloud may hand out."""
    physical_network: str = "external"
    """Neutron's name for it."""
    mtu: int = 1500
    """The largest packet in bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Networks:
    """The networks under the cloud."""

    management: Network
    """Where hosts and the operator reach each other, and the APIs are."""
    external: External
    """The way out and in."""
    tunnel: Network | None = None
    """Traffic between instances (Geneve); the management network carries it when not given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """Where the cloud answers. With more than one controller these are virtual addresses that
    move; one controller has its own alone."""

    internal: str
    """The address that services call each other at, in the management network."""
    external: str
    """The address that users call; may equal `internal`. One controller may have it on a card of
    its own in the external network, which the host brings up by itself."""
    mode: ApiMode = "vrrp"
    """How the addresses get to a controller that works. `vrrp`: keepalived moves them within one
    network that spans all sites of controllers. `anycast` (each controller announces them to its
    router, by BGP) and `dns` (a name server answers with what works) are names kept for later:
    `check` refuses them."""
    virtual_router_id: int = 51
    """VRRP's number for the moving addresses, 1 to 255, unlike any other on the same network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Where container images come from."""

    prefix: str = "localhost/cloudwright"
    """What stands before an image's name: a registry and a folder in it."""
    base: str = ""
    """The image that all of ours begin with, of the Debian that the release is made for; empty:
    a bare one, which `images build` makes of packages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """How instances run."""

    virt: Virt = "auto"
    """`kvm`, `qemu` (emulated, slow), or `auto`: KVM on each host where it really runs a guest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkChoices:
    """How packets of instances are switched, and where they leave."""

    datapath: Datapath = "auto"
    """`kernel`, `userspace`, or `auto`: the kernel's on each host whose kernel has it."""
    ha: Ha = "central"
    """What floating IPs depend on. `central`: they pass one host of role network, and move to
    another when it is lost. `distributed`: each leaves by the compute host of its own instance,
    and no other host matters; every compute host then has an `external_interface`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The whole cloud. Names and addresses in it have passed every rule of `model.rules`."""

    name: str
    """A DNS label; asked for before anything is destroyed."""
    release: str = DEFAULT_RELEASE
    """OpenStack's release."""
    region: str = "RegionOne"
    """Keystone's name for this cloud among others."""
    sites: tuple[Site, ...]
    """In the file's order."""
    hosts: tuple[Host, ...]
    """In the file's order; the first controller does what is done once."""
    networks: Networks
    api: Api
    ssh: Ssh = field(default_factory=Ssh)
    """How hosts are reached, where a host does not say otherwise."""
    engine: Engine | None = None
    """The container engine; each host's own (Podman before Docker) when not given."""
    images: Images = field(default_factory=Images)
    compute: Compute = field(default_factory=Compute)
    network: NetworkChoices = field(default_factory=NetworkChoices)
    survive: Survive = "site"
    """`site`: the loss of no site of several may stop the cloud. `host`: of no host."""
    overrides_dir: str = OVERRIDES
    """The operator's own INI files, a directory beside `cloud.yaml`; merged last."""
    _by_role: dict[str, tuple[Host, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    # Asked for each container of each host: to look through all hosts each time is quadratic.

    def hosts_with(self, role: str) -> tuple[Host, ...]:
        """The hosts that have `role`, as `Host.has` reads it, in the file's order; none for a role
        that nobody has."""
        if role not in self._by_role:
            self._by_role[role] = tuple(h for h in self.hosts if h.has(role))
        return self._by_role[role]

    def host(self, name: str) -> Host:
        """The host called `name`; KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def site(self, name: str) -> Site:
        """The site called `name`; KeyError when there is none."""
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(name)

    @property
    def external_role(self) -> str:
        """The roles whose hosts have a bridge to the external network."""
        return "network+compute" if self.network.ha == "distributed" else "network"

    @property
    def needs_virtual_address(self) -> bool:
        """Whether the API addresses must be moved between controllers (keepalived)."""
        return len(self.hosts_with("control")) > 1


def virt_type(cloud: Cloud, facts: Facts) -> Literal["kvm", "qemu"]:
    """What runs instances on the host of `facts`: the operator's choice, else what works."""
    if cloud.compute.virt == "auto":
        return "kvm" if facts.kvm else "qemu"
    return cloud.compute.virt


def datapath(cloud: Cloud, facts: Facts) -> Literal["kernel", "userspace"]:
    """What switches packets on the host of `facts`: the operator's choice, else what works."""
    if cloud.network.datapath == "auto":
        return "kernel" if facts.kernel_ovs else "userspace"
    return cloud.network.datapath
