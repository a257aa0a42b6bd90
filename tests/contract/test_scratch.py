"""The directories of sockets: nobody else's, short, and removed by the next when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.transport import scratch
from cloudwright.transport.scratch import PREFIX, Scratch, remove_left

HOLD = (
    "from cloudwright.transport.scratch import Scratch; s = Scratch(); print(s.path, flush=True)"
)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go: the path of a test's own folder is too long for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cwt") as made:
        monkeypatch.setattr(tempfile, "tempdir", made)
        remove_left.cache_clear()
        yield Path(made)
    remove_left.cache_clear()


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that has one."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HOLD}; input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def age(path: Path) -> None:
    """Make it older than any that is being made."""
    long_ago = time.time() - 2 * scratch.YOUNG_SECONDS
    os.utime(path, (long_ago, long_ago))


def test_it_goes_with_what_is_in_it(folder: Path) -> None:
    with Scratch() as made:
        assert (made.path.parent, made.path.stat().st_mode & 0o777) == (folder, 0o700)
        (made.path / "0.sock").touch()
    assert not list(folder.iterdir())


def test_the_next_removes_what_a_killed_one_left_and_nothing_in_use(folder: Path) -> None:
    killed, left = hold(folder)
    alive, used = hold(folder)
    try:
        (left / "0.sock").touch()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        strange = folder / f"{PREFIX}link"
        strange.symlink_to(used)
        for path in (left, used):
            age(path)
        with Scratch():
            assert (left.exists(), used.exists()) == (False, True)
            assert strange.is_symlink()
    finally:
        alive.communicate("\n")
    assert alive.returncode == 0


def test_one_that_is_being_made_is_left_alone(folder: Path) -> None:
    young = folder / f"{PREFIX}young"
    young.mkdir()
    with Scratch():
        assert young.exists()


def test_a_long_path_is_gone_round(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / ("d" * 80)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with Scratch() as made:
        assert made.path.parent == Path("/tmp")
