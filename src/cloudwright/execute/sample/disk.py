"""A machine image's file: what it is by its own bytes, and whether Glance and Nova can use it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cloudwright.errors import Missing

GIB = 1024**3
SECTOR = 512

_QCOW2, _VMDK = b"QFI\xfb", b"KDMV"
_OFFSET = 0x00FFFFFFFFFFFE00
"""The bits of an entry of a qcow2 table that say where in the file something is."""
_COMPRESSED = 1 << 62
_AT_END = (1 << 64) - 1
_FOR_SHOW = 0xEE
"""A partition that is only there for who does not know of a newer table."""
_VMDK_TYPES = ("monolithicSparse", "streamOptimized")
"""Those that Nova takes (its `vmdk_allowed_types`): the others may name further files."""

_UNPACK = {
    b"\xfd7zXZ\0": ("xz", "xz -dk"),
    b"\x1f\x8b": ("gzip", "gzip -dk"),
    b"BZh": ("bzip2", "bzip2 -dk"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"PK\x03\x04": ("zip", "unzip"),
}
_CONVERT = {
    (0, b"vhdxfile"): "a VHDX image",
    (0, b"conectix"): "a VHD image",
    (-SECTOR, b"conectix"): "a VHD image",
    (64, b"\x7f\x10\xda\xbe"): "a VDI image",
    (0, b"QED\0"): "a QED image",
    (0, b"# Disk DescriptorFile"): "a VMDK descriptor, whose disk is in other files",
}
"""Where what stands in images that Nova does not boot, or whose size is in no fixed place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """A machine image's file; `format` is Glance's word for it, sizes are in bytes."""

    path: Path
    format: str
    virtual_size: int

    @property
    def gib(self) -> int:
        """Its size, rounded up: what a flavor's disk must have."""
        return -(-self.virtual_size // GIB)


def read_disk(path: Path) -> Disk:
    """What the file is, by its content and not by its name.

    Raises Missing, with what to do, for what no instance could boot from: an empty or truncated
    file, one that is packed, an image in a format that the cloud does not take, or no image.
    """
    size = path.stat().st_size
    if not size:
        raise _unusable(path, "the file is empty", "download it again")
    with path.open("rb") as file:
        head = file.read(SECTOR)
        if head.startswith(_QCOW2):
            return Disk(path=path, format="qcow2", virtual_size=_qcow2(path, file, size))
        if head.startswith(_VMDK):
            return Disk(path=path, format="vmdk", virtual_size=_vmdk(path, file, size))
        _refuse_packed(path, file, head)
        _refuse_foreign(path, file, size)
        _check_raw(path, file, head, size)
    return Disk(path=path, format="raw", virtual_size=size)


def _unusable(path: Path, what: str, hint: str, why: str = "") -> Missing:
    return Missing(f"no instance can boot from it: {what}", where=str(path), why=why, hint=hint)


def _truncated(path: Path, why: str) -> Missing:
    return _unusable(path, "the file is truncated", "download it again", why)


def _converted(path: Path) -> str:
    other = path.with_name(f"{path.stem}-flat.qcow2")
    return f"`qemu-img convert -O qcow2 {path} {other}`, and give it that"


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    """So many bytes, from the end when `offset` is negative; fewer where the file ends."""
    end = file.seek(0, 2)
    file.seek(max(end + offset, 0) if offset < 0 else offset)
    return file.read(length)


def _refuse_packed(path: Path, file: BinaryIO, head: bytes) -> None:
    for magic, (name, command) in _UNPACK.items():
        if head.startswith(magic):
            hint = f"`{command} {path}`, and give it what that unpacks"
            raise _unusable(path, f"it is packed with {name}", hint)
    if _at(file, 257, 5) == b"ustar":
        hint = f"`tar -xf {path}`, and give it the image that was in it"
        raise _unusable(path, "it is a tar archive", hint)


def _refuse_foreign(path: Path, file: BinaryIO, size: int) -> None:
    for (offset, magic), name in _CONVERT.items():
        if _at(file, offset, len(magic)) == magic:
            raise _unusable(path, f"it is {name}", _converted(path))
    if _at(file, 0x8001, 5) == b"CD001":
        hint = "take the cloud image of the same system: its name ends in .qcow2, .img or .raw"
        raise _unusable(path, "it is the image of a CD, which installs a system", hint)


def _check_raw(path: Path, file: BinaryIO, head: bytes, size: int) -> None:
    """A disk as it is has a boot record, and ends no sooner than its last partition."""
    if head[510:] != b"\x55\xaa":
        hint = "take a cloud image: its name ends in .qcow2, .img or .raw"
        raise _unusable(path, "it is no image of a disk", hint, "it has no boot record")
    end = SECTOR * _last_sector(head, _at(file, SECTOR, 40))
    if size < end:
        raise _truncated(path, f"its partitions end at byte {end}, it has {size} bytes")


def _last_sector(head: bytes, gpt: bytes) -> int:
    """How many sectors the partitions' table speaks of; 0 where there is none."""
    if gpt.startswith(b"EFI PART"):
        return int.from_bytes(gpt[32:40], "little") + 1
    entries = [struct.unpack_from("<B3xB3xII", head, 446 + 16 * n) for n in range(4)]
    if any(state not in (0, 0x80) for state, *_ in entries):
        return 0  # a file system without partitions has code there
    ends = (begin + length for _, kind, begin, length in entries if kind != _FOR_SHOW)
    return max(ends, default=0)


def _qcow2(path: Path, file: BinaryIO, size: int) -> int:
    """The size of the disk in a qcow2 image that stands alone and is whole."""
    header = _at(file, 0, 104)
    if len(header) < 72:
        raise _truncated(path, f"it has {size} bytes")
    version, backing, _, bits, virtual, _, length, table = struct.unpack_from(
        ">IQIIQIIQ", header, 4
    )
    flags = int.from_bytes(header[72:80], "big") if version >= 3 else 0
    if backing or flags & 4:
        what = "a part of its disk is in another file"
        raise _unusable(path, what, _converted(path))
    end = table + 8 * length
    wide = 2 if flags & 16 else 1  # with extended entries each has a second half
    for (offset,) in struct.iter_unpack(">Q", _whole(_at(file, table, 8 * length))):
        if end > size:
            break
        if cluster := offset & _OFFSET:
            entries = _whole(_at(file, cluster, 1 << bits))
            end = max(end, cluster + (1 << bits), _last(entries, bits, wide))
    if end > size:
        raise _truncated(path, f"it refers to byte {end}, it has {size} bytes")
    return int(virtual)


def _whole(data: bytes) -> bytes:
    return data[: len(data) // 8 * 8]


def _last(entries: bytes, bits: int, wide: int) -> int:
    """The end of what a table of a qcow2 image refers to, in bytes from the file's beginning.

    What is compressed, and a last cluster, may be shorter than a cluster: one byte is asked for.
    """
    packed = (1 << (62 - (bits - 8))) - 1
    numbers = struct.unpack(f">{len(entries) // 8}Q", entries)[::wide]
    return max(
        ((n & packed if n & _COMPRESSED else n & _OFFSET) + 1 for n in numbers if n), default=0
    )


def _vmdk(path: Path, file: BinaryIO, size: int) -> int:
    """The size of the disk in a VMDK image of one file that is whole."""
    header = _at(file, 0, SECTOR)
    if len(header) < SECTOR:
        raise _truncated(path, f"it has {size} bytes")
    capacity, _, at, length, _, _, tables = struct.unpack_from("<QQQQIQQ", header, 12)
    text = _at(file, at * SECTOR, min(length, 64) * SECTOR)
    found = re.search(rb'createType="(\w+)"', text)
    kind = found[1].decode() if found else ""
    if kind not in _VMDK_TYPES:
        what = f"it is a VMDK image of the kind {kind or 'unknown'}"
        raise _unusable(path, what, _converted(path), f"Nova takes {' and '.join(_VMDK_TYPES)}")
    if tables == _AT_END and _at(file, -2 * SECTOR, 4) != _VMDK:
        raise _truncated(path, "the header that it ends with is not there")
    return int(capacity) * SECTOR
