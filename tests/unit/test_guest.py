"""The tiny guest's first files and its boot sector, byte by byte."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cloudwright.execute.sample import cpio


def test_an_archive_is_the_same_each_time() -> None:
    entries = [cpio.file("a/b", b"x"), cpio.link("c", "a/b")]
    assert cpio.archive(entries) == cpio.archive(list(reversed(entries)))


def test_parents_come_before_what_is_in_them() -> None:
    text = cpio.archive([cpio.file("a/b/c", b"content")])
    places = [text.index(name) for name in (b"a\0", b"a/b\0", b"a/b/c\0", b"TRAILER!!!\0")]
    assert places == sorted(places)


def test_every_part_ends_on_four_bytes() -> None:
    for content in (b"", b"1", b"12", b"123", b"1234"):
        assert len(cpio.archive([cpio.file("name", content)])) % 4 == 0


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio(1) is not installed")
def test_cpio_reads_it(tmp_path: Path) -> None:
    made = cpio.archive(
        [
            cpio.file("bin/tool", b"#!/bin/sh\n", 0o755),
            cpio.link("bin/sh", "tool"),
            cpio.directory("home/cloud", 0o700),
        ]
    )
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--no-preserve-owner"],
        input=made,
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/sh").readlink() == Path("tool")
    assert (tmp_path / "home/cloud").stat().st_mode & 0o777 == 0o700
