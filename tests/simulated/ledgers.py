"""Hosts of which only the ledger is there: a folder here; a real shell runs its scripts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cloudwright.errors import Missing, Unreachable
from cloudwright.execute.journal.record import Record
from cloudwright.execute.lock.ledger import DIRECTORY, Ledger, Page, Pages
from cloudwright.transport.fake import Answer, no_shell
from cloudwright.transport.host import Completed, checked, took_too_long

NAMES = ("one", "two", "three")


def shell_in(folder: Path) -> Answer:
    """Runs what a host is told about its ledger, and nothing else, on a ledger in `folder`."""

    def answer(command: str, stdin: bytes) -> Completed:
        if DIRECTORY not in command:
            return no_shell(command, stdin)
        script = command.replace(DIRECTORY, str(folder))
        done = subprocess.run(["/bin/sh", "-c", script], input=stdin, capture_output=True)
        return Completed(
            status=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode()
        )

    return answer


class ScratchHost:
    """A host whose ledger is a folder here; each command waits as long as `delays` says."""

    def __init__(self, name: str, folder: Path, delays: Iterator[float]) -> None:
        self.name = name
        self.folder = folder
        self.delays = delays
        self.lost = False
        self.commands = 0

    async def run(
        self, command: str, *, stdin: bytes = b"", check: bool = True, timeout: float = 0
    ) -> Completed:
        wait = next(self.delays)
        if 0 < timeout < wait:
            await asyncio.sleep(timeout)
            raise took_too_long(command, "", timeout, where=self.name)
        await asyncio.sleep(wait)
        if self.lost:
            raise Unreachable(f"the connection to {self.name} was lost")
        self.commands += 1
        completed = shell_in(self.folder)(command, stdin)
        return checked(completed, command, where=self.name, check=check)

    async def get(self, path: str) -> bytes:
        if self.lost:
            raise Unreachable(f"the connection to {self.name} was lost")
        file = Path(path.replace(DIRECTORY, str(self.folder)))
        if not file.is_file():
            raise Missing(f"no such file: {path}", where=self.name)
        return file.read_bytes()


def ledger_in(folder: Path, delays: Iterator[float] | None = None) -> Ledger:
    waits = delays or itertools.repeat(0.0)
    hosts = {name: ScratchHost(name, folder / name, waits) for name in NAMES}
    return Ledger(hosts=hosts)  # type: ignore[arg-type]


def record(run: str, **changed: object) -> Record:
    values: dict[str, object] = {
        "run": f"2026-01-01T00-00-00-{run:0>4}",
        "cloud": "tiny",
        "verb": "apply",
        "reason": "",
        "user": "alice",
        "machine": "laptop",
        "pid": 1,
        "began": 1.0,
        "version": "1",
        "release": "2026.2",
        "description": "d",
        "commit": "",
        "dirty": False,
    }
    return Record(**(values | changed))  # type: ignore[arg-type]


def silent(line: str) -> None:
    raise AssertionError(f"nothing to say was expected: {line}")


def holders(pages: Pages) -> list[str]:
    return [
        page.holder.run if page.holder else "" for page in pages.values() if isinstance(page, Page)
    ]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


HOLD = """
import asyncio, sys
from pathlib import Path
from cloudwright.execute.lock.changing import changing
from tests.simulated.ledgers import ledger_in, record

async def main(folder):
    async with changing(ledger_in(folder), record("dead"), folder / "runs", print):
        print("holds", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(Path(sys.argv[1])))
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """Another process of ours that holds the cloud."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout and process.stdout.readline() == "holds\n"
    return process
