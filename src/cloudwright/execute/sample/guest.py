"""The tiny guest: a bootable disk of Debian's kernel, busybox and an SSH server, made here."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from cloudwright.errors import Missing
from cloudwright.execute.images.debian import SUITE, find_apt, mmdebstrap
from cloudwright.execute.sample import guest_tree
from cloudwright.execute.sample.disk import Disk
from cloudwright.execute.sample.parts import Guest
from cloudwright.transport.host import Host
from cloudwright.transport.local import LocalHost

USER = "cloud"
"""Who logs in, with the key that the metadata service gives."""
MEMORY_MIB = 128
READY = "guest: ready"
"""What the console shows once SSH answers."""

_MIB = 1 << 20
_START = _MIB
"""Where the only partition begins; the guest keeps its host key before it."""
_SPARE = 2 * _MIB
_FAT16 = 0x0E
_FORM = "2"
"""Counts the changes of form that are not in the data files."""
_SECONDS = 600.0


async def sample_guest(
    state: Path, own: Disk | None, user: str, tell: Callable[[str], None]
) -> Guest:
    """What the smoke test boots: `own` with its `user`, else the tiny guest, made if missing.

    `state` is the cloud's own directory; the disk is kept in `state/guest`. Raises Missing when
    a tool to make it with is not there.
    """
    if own is not None:
        return Guest(disk=own, user=user, memory_mib=1024)
    machine = LocalHost()
    try:
        path = await make_guest(machine, state / "guest", tell)
    finally:
        await machine.close()
    return Guest(disk=_disk(path), user=USER, memory_mib=MEMORY_MIB, ready=READY)


async def make_guest(machine: Host, cache: Path, tell: Callable[[str], None]) -> Path:
    """Return the raw disk image in `cache`; made, in about 15 s, when its recipe is new."""
    path = cache.resolve() / f"guest-{_digest()}.img"
    if path.exists():
        return path
    await _check_tools(machine)
    tell("making the tiny guest from Debian packages")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cloudwright-guest-", dir="/var/tmp") as folder:
        scratch = Path(folder)
        tree = scratch / "tree"
        command = mmdebstrap(
            await find_apt(machine), suite=SUITE, packages=guest_tree.PACKAGES, variant="extract"
        )
        await machine.run(f"target={tree}; {command}", timeout=_SECONDS)
        (scratch / "kernel").write_bytes(guest_tree.kernel(tree))
        (scratch / "initrd").write_bytes(await guest_tree.first_files(machine, tree))
        (scratch / "syslinux.cfg").write_bytes(_data("syslinux.cfg"))
        disk = await _make_disk(machine, scratch)
        # Beside its place first: what is found there is whole.
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(disk.read_bytes())
        partial.replace(path)
    return path


async def _make_disk(machine: Host, scratch: Path) -> Path:
    """A disk with one FAT partition that SYSLINUX starts the kernel from; needs no mount."""
    contents = [scratch / name for name in ("kernel", "initrd", "syslinux.cfg")]
    size = sum(path.stat().st_size for path in contents) + _SPARE
    sectors = (-(-size // _MIB) * _MIB) // 512
    disk = scratch / "disk.img"
    disk.write_bytes(_boot_record(sectors))
    os.truncate(disk, _START + sectors * 512)
    names = " ".join(str(path) for path in contents)
    await machine.run(
        f"set -e; export MTOOLS_SKIP_CHECK=1; place={disk}@@{_START}; "
        f"mformat -i $place -T {sectors} -h 255 -s 63 -H {_START // 512} -N 20260215 ::; "
        f"mcopy -i $place {names} ::/; syslinux --install --offset {_START} {disk}"
    )
    return disk


def _boot_record(sectors: int) -> bytes:
    """The first sector: SYSLINUX's code and one active partition of `sectors`."""
    code = next((p for p in _CODE if p.exists()), None)
    if code is None:
        raise Missing("SYSLINUX's mbr.bin is not here", hint="`cloudwright doctor --fix`")
    # Addresses by cylinder are long without meaning: all ones say "look at the numbers".
    chs = b"\xfe\xff\xff"
    entry = b"\x80" + chs + bytes([_FAT16]) + chs + struct.pack("<II", _START // 512, sectors)
    return code.read_bytes()[:440].ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa"


_CODE = (Path("/usr/lib/syslinux/mbr/mbr.bin"), Path("/usr/lib/SYSLINUX/mbr.bin"))


def _disk(path: Path) -> Disk:
    return Disk(path=path, format="raw", virtual_size=path.stat().st_size)


def _digest() -> str:
    recipe = hashlib.sha256(_FORM.encode())
    for text in (*guest_tree.PACKAGES, *guest_tree.MODULES):
        recipe.update(text.encode() + b"\0")
    for name in ("init.sh", "on-lease.sh", "syslinux.cfg"):
        recipe.update(_data(name))
    return recipe.hexdigest()[:12]


def _data(name: str) -> bytes:
    return (files("cloudwright") / "guest" / name).read_bytes()


async def _check_tools(machine: Host) -> None:
    done = await machine.run(
        "for tool in mmdebstrap mformat mcopy syslinux; do "
        "command -v $tool >/dev/null || echo $tool; done"
    )
    if missing := done.stdout.split():
        raise Missing(
            f"not installed here: {', '.join(missing)}",
            hint="`cloudwright doctor --fix` installs what is missing",
        )
