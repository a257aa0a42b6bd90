"""Ctrl-C while this machine works: one clear line, the right exit code, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloudwright.execute.images.tools import call
from cloudwright.execute.interrupts import in_thread

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"
PROGRAMS = {
    # An empty store; it has no image, and none is ever finished.
    "podman": 'case "$1" in images) echo "[]";; image) exit 1;; esac\n',
    "uv": "",
    # Says who it is and what it makes, and makes it for as long as one likes.
    "mmdebstrap": 'for word; do target=$next; next=$word; done\necho $$ $target > "$SAYS"\n'
    "sleep 100000\n",
}


def runs(id: str) -> bool:
    """Whether the process still does anything; nobody may have taken note of its end yet."""
    try:
        return Path(f"/proc/{id}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pipe in which `mmdebstrap` says that it was started; programs of ours come first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
    os.mkfifo(pipe := tmp_path / "says")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("SAYS", str(pipe))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return pipe


@pytest.mark.skipif(not shutil.which("apt-get"), reason="what builds begin with is apt's")
@pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("verb", "told"),
    [
        (("images", "build"), "`cloudwright images build` goes on where this stopped"),
        (("lab", "up", "cloud.yaml"), "`cloudwright lab status` shows what is up"),
    ],
)
def test_a_build_that_is_stopped_leaves_nothing(
    verb: tuple[str, ...], told: str, number: signal.Signals, says: Path, tmp_path: Path
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "cloud.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudwright", *verb],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    with says.open() as pipe:
        id, target = pipe.read().split()
    scratch = next(p for p in Path(target).parents if p.parent == Path("/var/tmp"))
    assert scratch.name.startswith("cloudwright-") and scratch.is_dir()
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    head, *rest = errors.splitlines()
    assert head.startswith("error: interrupted")
    assert len(rest) == 1 and told in rest[0]
    assert not scratch.exists()
    assert not runs(id)


def test_a_command_may_clean_up_and_its_children_end_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f'trap "rm {mark}; exit" TERM; sleep 100000 & echo $! >{mark}.new; '
    script += f"mv {mark}.new {mark}; wait"

    async def story() -> str:
        task = asyncio.create_task(call(("sh", "-c", script)))
        while not mark.exists():
            await asyncio.sleep(0)
        child = mark.read_text().strip()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return child

    child = asyncio.run(story())
    assert not mark.exists()
    assert not runs(child)


def test_a_thread_gives_what_its_work_gives() -> None:
    assert asyncio.run(in_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divmod, 7, 0))
