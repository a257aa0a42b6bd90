"""A machine image is known by its bytes, as Glance knows it, and refused before all else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from pathlib import Path

import pytest
from oslo_utils.imageutils.format_inspector import detect_file_format

from cloudwright.cli.main import run
from cloudwright.errors import Missing
from cloudwright.execute.sample.disk import SECTOR, read_disk

CLUSTER = 1 << 16
MIB = 1 << 20


def raw(sectors: int = 2048, end: int = 2048) -> bytes:
    """A disk with one partition from its second sector to `end`."""
    entry = b"\x80" + bytes(3) + b"\x83" + bytes(3) + struct.pack("<II", 1, end - 1)
    head = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    return head.ljust(sectors * SECTOR, b"\0")


def gpt(sectors: int = 2048, last: int = 2047) -> bytes:
    """The same with the newer table, whose copy is in the `last` sector."""
    entry = bytes(4) + b"\xee" + bytes(3) + struct.pack("<II", 1, 0xFFFFFFFF)
    head = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    second = b"EFI PART" + bytes(24) + struct.pack("<Q", last)
    return (head + second).ljust(sectors * SECTOR, b"\0")


def qcow2(*, backing: int = 0, flags: int = 0, packed: bool = False, bits: int = 16) -> bytes:
    """A disk of 3 GiB and a byte; its header, its two tables, and one cluster with something."""
    cluster = 1 << bits
    header = struct.pack(
        ">4sIQIIQIIQ", b"QFI\xfb", 3, backing, 0, bits, 3 * 1024**3 + 1, 0, 1, cluster
    )
    header += struct.pack(">QIIQQQQII", 0, 0, 0, 0, flags, 0, 0, 4, 104)
    first = struct.pack(">Q", 1 << 63 | 2 * cluster)
    second = struct.pack(">Q", 1 << 62 | 3 * cluster if packed else 1 << 63 | 3 * cluster)
    parts = [header, first, second, b"something"]
    return b"".join(part.ljust(cluster, b"\0") for part in parts)


def vmdk(kind: str = "streamOptimized") -> bytes:
    """A disk of 2 MiB without content, its header once more at its end."""
    text = f'# Disk DescriptorFile\nversion=1\ncreateType="{kind}"\nRW 4096 SPARSE "x.vmdk"\n'
    streamed = kind == "streamOptimized"
    tables = (1 << 64) - 1 if streamed else 21
    fields = (b"KDMV", 3 if streamed else 1, 3, 4096, 128, 1, 20, 512, 0, tables, 128)
    header = struct.pack("<4sIIQQQQIQQQ", *fields).ljust(SECTOR, b"\0")
    end = bytes(SECTOR) + header + bytes(SECTOR)
    return header + text.encode().ljust(20 * SECTOR, b"\0") + bytes(64 * SECTOR) + end


def packed(data: bytes) -> bytes:
    with tarfile.open(fileobj=(out := io.BytesIO()), mode="w") as tar:
        info = tarfile.TarInfo("disk.raw")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "format", "size"),
    [
        (raw(), "raw", MIB),
        (gpt(), "raw", MIB),
        (b"\xff" * 510 + b"\x55\xaa" + bytes(512), "raw", 1024),
        (qcow2(), "qcow2", 3 * 1024**3 + 1),
        (qcow2(packed=True, bits=12), "qcow2", 3 * 1024**3 + 1),
        (vmdk(), "vmdk", 2 * MIB),
        (vmdk("monolithicSparse"), "vmdk", 2 * MIB),
    ],
    ids=["raw", "gpt", "no partitions", "qcow2", "compressed qcow2", "streamed vmdk", "vmdk"],
)
def test_what_instances_boot_from(data: bytes, format: str, size: int, tmp_path: Path) -> None:
    disk = read_disk(path := file(tmp_path, data))
    assert (disk.format, disk.virtual_size, disk.path) == (format, size, path)
    seen = detect_file_format(str(path))  # Glance's and Nova's own eyes
    assert str(seen) == format or (format, str(seen)) == ("raw", "gpt")
    assert format == "raw" or seen.virtual_size == size


def test_a_flavors_disk_holds_all_of_it(tmp_path: Path) -> None:
    assert read_disk(file(tmp_path, qcow2())).gib == 4


@pytest.mark.parametrize(
    ("data", "what", "hint"),
    [
        (b"", "is empty", "download it again"),
        (raw()[:-1], "truncated", "download it again"),
        (gpt()[:-1], "truncated", "download it again"),
        (qcow2()[:60], "truncated", "download it again"),
        (qcow2()[: CLUSTER + 4], "truncated", "download it again"),
        (qcow2()[: 2 * CLUSTER + 4], "truncated", "download it again"),
        (qcow2()[: 3 * CLUSTER], "truncated", "download it again"),
        (qcow2(packed=True)[: 3 * CLUSTER], "truncated", "download it again"),
        (qcow2(backing=104), "in another file", "`qemu-img convert -O qcow2 "),
        (qcow2(flags=4), "in another file", "`qemu-img convert -O qcow2 "),
        (vmdk()[:-SECTOR], "truncated", "download it again"),
        (vmdk()[:100], "truncated", "download it again"),
        (vmdk("vmfsSparse"), "of the kind vmfsSparse", "`qemu-img convert -O qcow2 "),
        (b"# Disk DescriptorFile\nversion=1\n", "VMDK descriptor", "`qemu-img convert "),
        (b"conectix".ljust(MIB, b"\0"), "a VHD image", "`qemu-img convert "),
        (raw() + b"conectix".ljust(SECTOR, b"\0"), "a VHD image", "`qemu-img convert "),
        (b"vhdxfile".ljust(MIB, b"\0"), "a VHDX image", "`qemu-img convert "),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(MIB), "a VDI image", "`qemu-img convert "),
        (lzma.compress(raw()), "packed with xz", "`xz -dk "),
        (gzip.compress(raw()), "packed with gzip", "`gzip -dk "),
        (bz2.compress(raw()), "packed with bzip2", "`bzip2 -dk "),
        (packed(raw()), "a tar archive", "`tar -xf "),
        (raw()[:0x8001] + b"CD001" + bytes(MIB), "a CD", "cloud image"),
        (b"<!doctype html><title>404</title>", "no image of a disk", "cloud image"),
        (bytes(MIB), "no image of a disk", "cloud image"),
    ],
)  # fmt: skip
def test_what_is_refused_and_what_to_do(data: bytes, what: str, hint: str, tmp_path: Path) -> None:
    path = file(tmp_path, data)
    with pytest.raises(Missing) as caught:
        read_disk(path)
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.where == str(path)


def test_it_is_refused_before_the_cloud_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, lzma.compress(raw()))
    assert run(["smoke", "--image", str(path), str(tmp_path / "no-cloud.yaml")]) == 4
    said = capsys.readouterr().err
    assert said.startswith("error: no instance can boot from it: it is packed with xz\n")
    assert f"hint: `xz -dk {path}`" in said
