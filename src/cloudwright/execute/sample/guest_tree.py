"""What of some Debian packages goes into the tiny guest: programs, their libraries, drivers."""

from __future__ import annotations

import lzma
import re
from importlib.resources import files
from pathlib import Path

from cloudwright.errors import Missing
from cloudwright.execute.sample import cpio
from cloudwright.transport.host import Host

PACKAGES = ("linux-image-cloud-amd64", "busybox-static", "dropbear-bin")
MODULES = ("virtio_net", "virtio_blk", "virtio_rng", "button", "evdev")
"""Drivers in the order of need; those that they need themselves, and built-in ones, are found."""

_PROGRAMS = ("usr/sbin/dropbear", "usr/bin/dropbearkey")
_LOADER = "ld-linux-x86-64.so.2"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_ACCOUNTS = {
    "etc/passwd": "root:*:0:0:root:/:/bin/sh\ncloud:*:1000:1000:cloud:/home/cloud:/bin/sh\n",
    "etc/group": "root:*:0:\ncloud:*:1000:\n",
    "etc/shells": "/bin/sh\n",
    "etc/acpi/PWRF/00000080": "#!/bin/sh\npoweroff -f\n",
}


def kernel(tree: Path) -> bytes:
    """The kernel among the unpacked packages; Missing when there is none."""
    return _one(tree, "boot/vmlinuz-*").read_bytes()


async def first_files(machine: Host, tree: Path) -> bytes:
    """The archive that the kernel unpacks and runs /init from."""
    entries = [
        cpio.file("init", _data("init.sh"), 0o755),
        cpio.file("bin/on-lease", _data("on-lease.sh"), 0o755),
        cpio.file("bin/busybox", _one(tree, "usr/bin/busybox").read_bytes(), 0o755),
        cpio.link("bin/sh", "busybox"),
        cpio.directory("home/cloud", 0o700, 1000),
        cpio.device("dev/console", 5, 1),
        *(cpio.directory(name) for name in ("proc", "sys", "dev", "run", "tmp", "root")),
        *(
            cpio.file(path, text.encode(), 0o755 if "acpi" in path else 0o644)
            for path, text in _ACCOUNTS.items()
        ),
    ]
    entries += [_program(tree / name) for name in _PROGRAMS]
    entries += [_library(path) for path in await _libraries(machine, tree)]
    entries.append(cpio.file(f"lib64/{_LOADER}", _loader(tree).read_bytes(), 0o755))
    return cpio.archive([*entries, *_modules(tree)])


def _loader(tree: Path) -> Path:
    # Only a whole Debian system has the link from /lib64 to where the package puts it.
    return _one(tree, f"usr/lib64/{_LOADER}")


def _program(path: Path) -> cpio.Entry:
    return cpio.file(f"bin/{path.name}", path.read_bytes(), 0o755)


def _library(path: Path) -> cpio.Entry:
    return cpio.file(f"{_LIBRARIES}/{path.name}", path.read_bytes(), 0o755)


async def _libraries(machine: Host, tree: Path) -> tuple[Path, ...]:
    """What the programs are linked against, as their own loader finds it in `tree`."""
    found: set[Path] = set()
    for name in _PROGRAMS:
        done = await machine.run(
            f"{_loader(tree)} --library-path {tree / _LIBRARIES} --list {tree / name}"
        )
        found |= {Path(path) for path in re.findall(r"=> (\S+)", done.stdout)}
    return tuple(sorted(path for path in found if path.name != _LOADER))


def _modules(tree: Path) -> list[cpio.Entry]:
    folder = _one(tree, "usr/lib/modules/*/kernel").parent
    paths = {_module_name(path): path for path in folder.rglob("*.ko*")}
    built_in = {
        _module_name(Path(line)) for line in (folder / "modules.builtin").read_text().split()
    }
    order: dict[str, bytes] = {}
    for name in MODULES:
        _collect(name, paths, built_in, order)
    listing = "".join(f"{name}.ko\n" for name in order)
    return [
        cpio.file("modules/order", listing.encode()),
        *(cpio.file(f"modules/{name}.ko", content) for name, content in order.items()),
    ]


def _collect(
    name: str, paths: dict[str, Path], built_in: set[str], order: dict[str, bytes]
) -> None:
    """Add driver `name` to `order`, after the ones that it needs."""
    if name in order or name in built_in:
        return
    if name not in paths:
        raise Missing(f"Debian's kernel has no driver {name}", hint="report this; releases differ")
    path = paths[name]
    content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    needs = re.search(rb"\0depends=([^\0]*)\0", content)
    for needed in (needs.group(1).decode() if needs else "").split(","):
        if needed:
            _collect(needed.replace("-", "_"), paths, built_in, order)
    order[name] = content


def _module_name(path: Path) -> str:
    return path.name.partition(".")[0].replace("-", "_")


def _one(tree: Path, pattern: str) -> Path:
    found = sorted(tree.glob(pattern))
    if not found:
        raise Missing(f"the Debian packages hold no {pattern}", where=str(tree))
    return found[-1]


def _data(name: str) -> bytes:
    return (files("cloudwright") / "guest" / name).read_bytes()
