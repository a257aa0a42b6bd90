"""The container image that a lab host runs from: Debian with SSH and a container engine."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from cloudwright.errors import Missing
from cloudwright.execute.images.debian import SUITE, find_apt, mmdebstrap
from cloudwright.transport.host import Host

PACKAGES = (
    "ca-certificates",
    "ethtool",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",  # the survey asks modprobe for the kernel's openvswitch
    "netavark",
    "nftables",
    "openssh-server",
    "podman",
    "procps",
    "runc",  # crun refuses a mixed cgroup tree
    "sudo",
    "tcpdump",
    "tini",  # reaps what dead containers leave behind
)
_FILES = {
    "init.sh": "/usr/local/sbin/lab-init",
    "sshd.conf": "/etc/ssh/sshd_config.d/10-lab.conf",
    "containers.conf": "/etc/containers/containers.conf.d/10-lab.conf",
    "storage.conf": "/etc/containers/storage.conf",
}
_NAME = "localhost/cloudwright/lab-host"
_SECONDS = 900.0


def image_tag(more: tuple[str, ...] = ()) -> str:
    """The name of the image; its tag is a digest of all that decides what is in it.

    `more` are Debian packages beside those of every lab host.
    """
    recipe = hashlib.sha256()
    for part in (*PACKAGES, *more, *_FILES.values(), *_entry()):
        recipe.update(part.encode() + b"\0")
    for name in _FILES:
        recipe.update(_data(name))
    return f"{_NAME}:{recipe.hexdigest()[:12]}"


async def ensure_image(
    machine: Host, tell: Callable[[str], None], more: tuple[str, ...] = ()
) -> str:
    """Return the tag of the lab host's image, building it first when its recipe is new.

    `more` are Debian packages beside those of every lab host. Takes about 25 s when it builds.
    Raises Missing without mmdebstrap or podman.
    """
    tag = image_tag(more)
    there = await machine.run(f"podman image exists {tag}", check=False)
    if there.status == 0:
        return tag
    await _check_tools(machine)
    tell(f"building {tag}")
    bootstrap = mmdebstrap(
        await find_apt(machine), suite=SUITE, packages=(*PACKAGES, *more), hooks=_hooks()
    )
    # Ours to remove, and not the command's, which may be killed.
    with tempfile.TemporaryDirectory(prefix="cloudwright-lab.", dir="/var/tmp") as scratch:
        await machine.run(_build(tag, bootstrap, Path(scratch)), timeout=_SECONDS)
    return tag


def _build(tag: str, bootstrap: str, scratch: Path) -> str:
    changes = " ".join(f"--change {shlex.quote(change)}" for change in _entry())
    # An image comes into being whole, by the import; what is ended before leaves nothing.
    return (
        f"set -e; target={scratch}/tree.tar; {bootstrap}; "
        f"podman import --quiet {changes} $target {tag}"
    )


def _entry() -> tuple[str, ...]:
    return (
        'ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/sbin/lab-init"]',
        "LABEL io.cloudwright.lab.image=yes",
    )


def _hooks() -> tuple[str, ...]:
    directory = Path(str(files("cloudwright.lab") / "host"))
    copies = [
        f"install -D -m {755 if name.endswith('.sh') else 644} "
        f'{shlex.quote(str(directory / name))} "$1"{target}'
        for name, target in _FILES.items()
    ]
    # A host key of the image would be known to everyone who has the image.
    return (*copies, 'rm -f "$1"/etc/ssh/ssh_host_*')


def _data(name: str) -> bytes:
    return (files("cloudwright.lab") / "host" / name).read_bytes()


async def _check_tools(machine: Host) -> None:
    done = await machine.run(
        "for tool in podman mmdebstrap; do command -v $tool >/dev/null || echo $tool; done"
    )
    if missing := done.stdout.split():
        raise Missing(
            f"not installed here: {', '.join(missing)}",
            hint="`cloudwright doctor --fix` installs what is missing",
        )
