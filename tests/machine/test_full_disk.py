"""A disk that a drill fills: full while it is held, whatever others free, free at once after."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.errors import HostError
from cloudwright.execute.drill.disk import FULL_FILE, PID_FILE, fill_directory, free
from cloudwright.transport.local import LocalHost
from tests.cloud.tool import eventually

MIB = 1024**2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 MiB; nothing else is ever filled."""
    image, directory = tmp_path / "image", tmp_path / "disk"
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, directory], check=True)
    try:
        yield directory
    finally:
        asyncio.run(free(LocalHost()))
        subprocess.run(["umount", directory], check=True)


def space(directory: Path) -> int:
    """Bytes that can be written."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def fits(directory: Path) -> bool:
    """Whether a file of 64 KiB does; none is left."""
    file = directory / "try"
    try:
        file.write_bytes(bytes(65536))
    except OSError:
        return False
    finally:
        file.unlink(missing_ok=True)
    return True


def test_a_full_disk_takes_nothing_and_is_as_it_was_after(disk: Path) -> None:
    (disk / "theirs").write_bytes(bytes(8 * MIB))
    before, there = space(disk), sorted(disk.iterdir())
    asyncio.run(fill_directory(LocalHost(), str(disk)))
    assert not fits(disk)
    assert sorted(disk.iterdir()) == there
    asyncio.run(free(LocalHost()))
    assert fits(disk)
    assert space(disk) > before - MIB  # a directory may have grown by a block
    assert not Path(PID_FILE).exists()
    assert not Path(FULL_FILE).exists()


def test_what_others_free_is_taken_too(disk: Path) -> None:
    (disk / "theirs").write_bytes(bytes(8 * MIB))
    asyncio.run(fill_directory(LocalHost(), str(disk)))
    (disk / "theirs").unlink()
    eventually(lambda: space(disk) < MIB, seconds=30, what="the space that was freed")


def test_whatever_ends_who_holds_it_gives_it_back(disk: Path) -> None:
    asyncio.run(fill_directory(LocalHost(), str(disk)))
    os.killpg(int(Path(PID_FILE).read_text()), 9)
    eventually(lambda: fits(disk), seconds=30, what="space")
    for _ in "twice":
        asyncio.run(free(LocalHost()))
    assert not Path(PID_FILE).exists()


def test_a_disk_that_cannot_be_filled_is_told(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(HostError, match="the disk is not full") as caught:
        asyncio.run(fill_directory(LocalHost(), str(disk)))
    assert "MiB are still free" in caught.value.why
