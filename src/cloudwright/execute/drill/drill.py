"""A drill from its first request to its verdict: load, break, measure, mend, verify."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.errors import CloudError, UnsafePlan
from cloudwright.execute.drill.apis import CLIENTS
from cloudwright.execute.drill.bench import Bench, clear, prepare
from cloudwright.execute.drill.injector import Injector, injure, mend
from cloudwright.execute.drill.ledgers import ledgers
from cloudwright.execute.drill.load import Load, NoAnswerError, since_now
from cloudwright.execute.drill.sampling import collect, start_samplers
from cloudwright.execute.drill.whole import Whole
from cloudwright.execute.host.fleet import Fleet, open_fleet
from cloudwright.execute.session import Session
from cloudwright.operations.drill.analysis import figures
from cloudwright.operations.drill.injury import Injury, failure_of
from cloudwright.operations.drill.records import Ledger, Marks, Request
from cloudwright.operations.drill.report import Report
from cloudwright.operations.drill.sides import Sample, two_writers
from cloudwright.operations.drill.verdict import Limits, Measured, breaches, unmeasured
from cloudwright.operations.what_if import Forecast, forecast

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds: of load before the failure, of the failure, to wait for redundancy, and after."""

    before: float = 10.0
    broken: float = 30.0
    whole: float = 300.0
    after: float = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A drill's report and all that it is made of."""

    report: Report
    requests: tuple[Request, ...]
    samples: tuple[Sample, ...]


@dataclass(kw_only=True, slots=True)
class Drill:
    """One drill on one cloud; `tell` gets a line for each thing that begins. `creates`: servers
    and images are created too."""

    session: Session
    injury: Injury
    injector: Injector
    limits: Limits
    times: Times
    creates: bool
    tell: Tell
    _clock: Callable[[], float] = field(default_factory=since_now)
    _epoch: float = field(default_factory=time.time)

    async def run(self) -> Done:
        """Do it all. The failure is mended, and what was made for the drill removed, whatever
        happens; UnsafePlan, with nothing broken, when the cloud is not whole to begin with."""
        session = self.session
        whole = Whole(
            cloud=session.cloud,
            services=session.services,
            blueprint=await session.blueprint(),
        )
        self._say("prepares: a database, a virtual host and networks of its own")
        left_out = unmeasured(session.cloud, self._foretold(), creates=self.creates)
        try:
            bench = await prepare(session.fleet, session.cloud, session.vault, left_out)
        except NoAnswerError as err:
            raise UnsafePlan(
                "the cloud does not do what a drill needs, and nothing was broken",
                why=str(err),
                hint="`cloudwright status` and `cloudwright smoke` show what is not well",
            ) from err
        try:
            await self._begin(whole, bench)
            return await self._measure(whole, bench)
        finally:
            await self._clear(bench)

    async def _begin(self, whole: Whole, bench: Bench) -> None:
        fleet = self.session.fleet
        if wrong := await whole.lacks(fleet, await bench.members(fleet)):
            raise UnsafePlan(
                "the cloud is not whole, and a drill would break more of it",
                why=wrong,
                hint="`cloudwright status` shows all that is not well",
            )
        seconds = self.times.before + self.times.broken + self.times.whole + self.times.after
        password = bench.rows.door.password
        await start_samplers(fleet, self._keepers(), password, seconds + 60)

    async def _measure(self, whole: Whole, bench: Bench) -> Done:
        # The load's own clock is the drill's; the samplers' hosts have theirs.
        self._clock, self._epoch = since_now(), time.time()
        load = Load(streams=bench.streams(), clock=self._clock)
        running = asyncio.create_task(load.run())
        try:
            marks = await self._break(whole, bench)
        finally:
            load.stop()
            await running
        self._say("looks for every acknowledged write")
        async with self._fleet() as fleet:
            samples, taken = await collect(fleet, self._keepers(), self._epoch)
            written = await ledgers(fleet, bench, taken)
        return self._judge(tuple(load.requests), samples, marks, written, bench.left_out)

    async def _break(self, whole: Whole, bench: Bench) -> Marks:
        self._say(f"load runs; {self.times.before:g} s before anything is broken")
        await asyncio.sleep(self.times.before)
        broken_from = self._clock()
        self._say(f"breaks: {self.injury.label}")
        try:
            await injure(self.session.fleet, self.injector, self.injury)
            broken_at = self._clock()
            await asyncio.sleep(self.times.broken)
        finally:
            mended_from = self._clock()
            self._say("repairs")
            await mend(self.session.fleet, self.injector, self.injury)
        mended_at = self._clock()
        whole_at = await self._until_whole(whole, bench)
        await asyncio.sleep(self.times.after)
        return Marks(
            broken_from=broken_from,
            broken_at=broken_at,
            mended_from=mended_from,
            mended_at=mended_at,
            whole_at=whole_at,
            ended=self._clock(),
        )

    async def _until_whole(self, whole: Whole, bench: Bench) -> float | None:
        """When everything was there again; None when it was not in time."""
        deadline = self._clock() + self.times.whole
        why = "no host answers"
        while self._clock() < deadline:
            with suppress(CloudError):
                async with self._fleet() as fleet:
                    members = await bench.members(fleet)
                    why = await whole.wait(fleet, members, deadline - self._clock(), self._say)
                if not why:
                    self._say("is whole again")
                    return self._clock()
        self._say(f"is not whole in time: {why}")
        return None

    def _judge(
        self,
        requests: tuple[Request, ...],
        samples: tuple[Sample, ...],
        marks: Marks,
        written: tuple[Ledger, ...],
        left_out: Mapping[str, str],
    ) -> Done:
        cloud = self.session.cloud
        addresses = {host.name: host.address for host in cloud.hosts}
        measured = Measured(
            marks=marks,
            figures=figures(requests, marks),
            ledgers=written,
            two_writers=two_writers(samples, addresses, marks.broken_at, marks.mended_from),
        )
        foretold = self._foretold()
        report = Report(
            name=self.injury.label,
            cloud=cloud.name,
            when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self._epoch)),
            machine=_machine(),
            load=_load(requests, marks),
            left_out=left_out,
            limits=self.limits,
            forecast=foretold,
            measured=measured,
            wrong=breaches(measured, self.limits, foretold),
        )
        return Done(report=report, requests=requests, samples=samples)

    async def _clear(self, bench: Bench) -> None:
        try:
            async with self._fleet() as fleet:
                await clear(fleet, bench)
        except (CloudError, NoAnswerError) as err:
            self._say(f"could not remove what it made, the next drill will: {err}")

    def _foretold(self) -> Forecast:
        cloud = self.session.cloud
        return forecast(cloud, self.session.services, failure_of(cloud, self.injury))

    def _keepers(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.session.cloud.hosts_with("control"))

    def _fleet(self) -> AbstractAsyncContextManager[Fleet]:
        return open_fleet(self.session.cloud, self.session.state / "lab")

    def _say(self, text: str) -> None:
        self.tell(f"[{self._clock():6.1f} s] {text}")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"the machine of the load: {os.cpu_count()} cores, {memory:.0f} GiB"


def _load(requests: tuple[Request, ...], marks: Marks) -> str:
    rate = len(requests) / marks.ended
    streams = len({request.stream for request in requests})
    clients = f"one to {CLIENTS} clients each, one request at a time"
    return f"{streams} streams, {clients}, {rate:.1f} requests a second in all"


def directory_for(state: Path) -> Path:
    """A new directory for a drill's report, named after the time."""
    name = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
    path = state / "drills" / name
    path.mkdir(parents=True)
    return path
