"""What preflight found on a host: never asked for, never in `cloud.yaml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """A network card or bridge of a host."""

    name: str
    addresses: tuple[str, ...] = ()
    """With prefix length: `10.64.0.11/24`."""
    mtu: int = 1500
    """Bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One host, as it was when it was looked at."""

    host: str
    """The host's name in `cloud.yaml`."""
    engine: str = "podman"
    """`podman` or `docker`."""
    engine_version: str = ""
    cores: int = 1
    memory_bytes: int = 0
    disk_free_bytes: int = 0
    """Where the engine keeps images and volumes."""
    kvm: bool | None = None
    """Whether KVM really ran a guest; that `/dev/kvm` is there proves nothing. None: not tried."""
    kernel_ovs: bool = False
    """Whether the kernel has the openvswitch datapath with Geneve."""
    time_skew: float = 0.0
    """Seconds that the host's clock is ahead of this machine's at least (negative: behind)."""
    architecture: str = "x86_64"
    """What `uname -m` says."""
    interfaces: tuple[Interface, ...] = ()

    def interface_of(self, address: str) -> str | None:
        """The name of the card that has `address` (without prefix length), None when none has."""
        for interface in self.interfaces:
            if any(a.split("/")[0] == address for a in interface.addresses):
                return interface.name
        return None
