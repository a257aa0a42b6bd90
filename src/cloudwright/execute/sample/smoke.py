"""The smoke test: an instance and all that it depends on, made, reached over SSH, removed."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.errors import CloudError, Interrupted, Locked
from cloudwright.execute.central.api import Api
from cloudwright.execute.pieces import PiecesBegan, TellPiece, begin
from cloudwright.execute.sample.parts import PARTS, REMOVE, Bench, Guest, Part
from cloudwright.execute.sample.reach import Login
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long one part took, in seconds, and when it began after the start."""

    name: str
    began: float
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was proved: how long each part took, and how to log in to what was kept."""

    timings: tuple[Timing, ...]
    seconds: float
    login: Login
    kept: bool


@dataclass(slots=True)
class _Run:
    """One smoke test under way; `running` are the parts that are neither done nor to come."""

    bench: Bench
    began: float = field(default_factory=time.monotonic)
    timings: list[Timing] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    async def do(self, name: str, part: Part) -> None:
        """Do one part; note how long it took, or say in which part it failed."""
        began = time.monotonic()
        done = begin(self.bench.tell, name)
        self.running.append(name)
        try:
            self.bench.made[name] = await part.work(self.bench)
        except CloudError as err:
            err.where = err.where or f"smoke: {name}"
            raise
        self.running.remove(name)
        self.timings.append(Timing(name=name, began=began - self.began, seconds=done()))

    def interrupted(self) -> Interrupted:
        """What a person is told who stopped it."""
        lines = {
            "done": ", ".join(timing.name for timing in self.timings),
            "stopped in the middle": ", ".join(self.running),
        }
        return Interrupted(
            f"interrupted after {time.monotonic() - self.began:.0f} s",
            why="\n".join(f"{what}: {names}" for what, names in lines.items() if names),
            hint="what was made is left as it is; the next `cloudwright smoke` removes it",
        )


async def smoke(
    cloud: Cloud,
    api: Api,
    gateway: Host,
    directory: Path,
    guest: Guest,
    tell: TellPiece,
    *,
    keep: bool,
) -> Report:
    """Do it all; raises StepFailed that names what was awaited, with the console's last lines.

    What an earlier run left is removed first. After a failure everything stays for a look, and
    the next run removes it. One that is cancelled ends at once, whatever it waits for, leaves
    everything likewise, and raises Interrupted.
    """
    bench = Bench(
        cloud=cloud, api=api, gateway=gateway, directory=directory, guest=guest, tell=tell
    )
    with _lock(directory):
        run = _Run(bench=bench)
        try:
            await _all(run, PARTS if keep else {**PARTS, **REMOVE})
        except asyncio.CancelledError:
            raise run.interrupted() from None
    return Report(
        timings=tuple(run.timings),
        seconds=time.monotonic() - run.began,
        login=bench.made["attach floating IP"],
        kept=keep,
    )


async def _all(run: _Run, parts: Mapping[str, Part]) -> None:
    """Each part as soon as those that it needs are done; a failure stops all others."""
    run.bench.tell(PiecesBegan(needs={name: frozenset(p.needs) for name, p in parts.items()}))
    done = {name: asyncio.Event() for name in parts}

    async def one(name: str, part: Part) -> None:
        for other in part.needs:
            await done[other].wait()
        await run.do(name, part)
        done[name].set()

    async with asyncio.TaskGroup() as group:
        for name, part in parts.items():
            group.create_task(one(name, part))


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """One smoke test at a time on a cloud: each removes what is called like the sample."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / "lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                "another smoke test runs on this cloud",
                where=str(path),
                hint="wait until it has ended",
            ) from None
        yield
