"""Failures drawn at random, one after another, on clusters that are written to all the while."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cloudwright.declare.oslo import NORTHBOUND_PORT, QUEUE_PORT
from cloudwright.errors import CloudError, HostError
from cloudwright.execute.central.database import MEMBER_PORT, ROOT_SECRET, DatabaseServer
from cloudwright.execute.drill import rows
from cloudwright.execute.drill.bench import QUEUE_USER
from cloudwright.execute.drill.injector import injure, mend
from cloudwright.execute.drill.load import TRY_SECONDS, Load, NoAnswerError, since_now
from cloudwright.execute.drill.messages import Broker, Messages, drain, make_vhost
from cloudwright.execute.drill.rows import Door, Rows
from cloudwright.execute.drill.sampling import collect, start_samplers
from cloudwright.execute.host.fleet import Fleet, open_fleet
from cloudwright.execute.secrets.vault import Vault
from cloudwright.lab.injector import LabInjector
from cloudwright.lab.spec import spec_of
from cloudwright.model.load import load
from cloudwright.model.secrets import Secret
from cloudwright.operations.drill.injury import Cut, FreezeContainer, Injury, LoseHosts
from cloudwright.operations.drill.sides import Sample, stopped_after, two_writers
from cloudwright.transport.host import Host
from cloudwright.transport.local import LocalHost
from tests.machine.clusters import ADDRESSES, NORTHBOUND, SECONDS, Clusters

KEEPERS = ("ctl-a", "ctl-b")
SITES = {"ctl-a": "a", "ctl-b": "b", "witness": "w"}
BEFORE_SECONDS = 3.0
STOP_SECONDS = 10.0
"""Within which a minority has to refuse writes."""

AGAIN_SECONDS = 60.0

MOST_SECONDS = 2 * SECONDS
FROZEN = ("mariadb", "rabbitmq", "ovn-nb-db")


@dataclass(frozen=True, kw_only=True, slots=True)
class OneWay:
    """Nothing that `source` sends reaches `target` any more; the way back is open."""

    label: str
    source: str
    target: str


Bad = Injury | OneWay


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What is done, one thing after another, and for how many seconds it lasts."""

    kind: str
    bad: tuple[Bad, ...]
    held: float

    def __str__(self) -> str:
        return f"{', '.join(one.label for one in self.bad)} for {self.held:.1f} s"

    @property
    def cut_off(self) -> frozenset[str]:
        """The hosts that surely have no majority while it lasts: they reach at most themselves."""
        lines = {frozenset(pair) for one in self.bad for pair in _lines(one)}
        dead = {host for one in self.bad if isinstance(one, LoseHosts) for host in one.hosts}
        return frozenset(
            host
            for host in KEEPERS
            if host not in dead
            and all(o in dead or frozenset((host, o)) in lines for o in SITES if o != host)
        )


def _lines(bad: Bad) -> Iterator[tuple[str, str]]:
    """The pairs of hosts that do not reach each other at all."""
    if isinstance(bad, Cut):
        chosen = [host for host, site in SITES.items() if site in bad.sites]
        others = chosen if len(chosen) > 1 else [h for h in SITES if h not in chosen]
        yield from ((one, other) for one in chosen for other in others if one != other)


def draw(dice: random.Random) -> Case:
    """The next case: every second one cuts lines; from a blink to half a minute."""
    hosts, sites = list(SITES), list(SITES.values())
    held = dice.choice((dice.uniform(0.1, 3), dice.uniform(3, 12), dice.uniform(12, 30)))
    kind = dice.choice(
        ("partition", "one way", "partition", "alone", "kill", "freeze", "freeze", "full stop")
    )
    bad: tuple[Bad, ...]
    match kind:
        case "partition":
            cut = dice.sample(sites, dice.choice((1, 2, 2)))
            bad = (Cut(label=f"partition {' '.join(cut)}", sites=tuple(cut)),)
        case "one way":
            one, other = dice.sample(hosts, 2)
            bad = (OneWay(label=f"{one} does not reach {other}", source=one, target=other),)
        case "alone":
            bad = (
                LoseHosts(label="lose-host witness", hosts=("witness",)),
                Cut(label="partition a b", sites=("a", "b")),
            )
        case "kill":
            host = dice.choice(hosts)
            bad = (LoseHosts(label=f"lose-host {host}", hosts=(host,)),)
        case "freeze":
            container, host = dice.choice(FROZEN), dice.choice(KEEPERS)
            label = f"freeze-service {container} on {host}"
            bad = (FreezeContainer(label=label, container=container, host=host),)
        case _:
            bad = (LoseHosts(label="cold-start", hosts=tuple(hosts)),)
    return Case(kind=kind, bad=bad, held=held)


async def _begin(fleet: Fleet, injector: LabInjector, bad: Bad) -> None:
    if isinstance(bad, OneWay):
        await fleet.host(bad.source).run(f"ip route replace {_hole(bad)}")
    else:
        await injure(fleet, injector, bad)


async def _end(fleet: Fleet, injector: LabInjector, bad: Bad) -> None:
    if isinstance(bad, OneWay):
        await fleet.host(bad.source).run(f"ip route delete {_hole(bad)}")
    else:
        await mend(fleet, injector, bad)


def _hole(bad: OneWay) -> str:
    return f"blackhole {ADDRESSES[bad.target]}/32"


@dataclass(kw_only=True, slots=True)
class Networks:
    """Logical switches, made one after another in OVN's northbound database, through one of its
    members: who is no leader hands it on, and tells when the majority has it."""

    host: Host
    address: str
    name: str = "network"
    every: float = 1.0
    acknowledged: set[int] = field(default_factory=set)

    async def attempt(self, number: int, *, again: bool) -> None:
        """Make number `number`; the one that the first try made without an answer is no error."""
        try:
            await self.tell(f"--may-exist ls-add proof-{number}")
        except CloudError as err:
            raise NoAnswerError(str(err)) from err
        self.acknowledged.add(number)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def tell(self, words: str) -> str:
        """What `ovn-nbctl` prints."""
        command = NORTHBOUND.format(address=self.address, port=NORTHBOUND_PORT)
        return (await self.host.run(f"{command} {words}", timeout=TRY_SECONDS)).stdout

    async def take(self) -> set[int]:
        """The numbers of those that are there, which are removed."""
        names = re.findall(r"\(proof-(\d+)\)", await self.tell("ls-list"))
        if names:
            await self.tell(" -- ".join(f"ls-del proof-{name}" for name in names))
        return {int(name) for name in names}


@dataclass(kw_only=True, slots=True)
class Injections:
    """Case after case on one lab. What was acknowledged is looked for after each of them."""

    clusters: Clusters
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    whole: list[float] = field(default_factory=list)
    _password: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    async def run(self, number: int) -> None:
        """Do `number` of them, and tell of each; AssertionError at the first that goes wrong."""
        await self._prepare()
        for count in range(1, number + 1):
            case = draw(self.dice)
            print(f"{count}: {case}", end="", flush=True)
            seconds = await self._one(case)
            self.done[case.kind] += 1
            self.whole.append(seconds)
            print(f"; whole after {seconds:.1f} s", flush=True)

    def summary(self) -> str:
        """What was done, and what all of it had to keep."""
        kinds = ", ".join(f"{number} of {kind}" for kind, number in sorted(self.done.items()))
        kept = ", ".join(f"{number} {what}" for what, number in self.acknowledged.items())
        return (
            f"{self.done.total()} injections ({kinds}); {kept} acknowledged, none lost; whole "
            f"after {statistics.median(self.whole):.1f} s, at most {max(self.whole):.1f} s"
        )

    async def _prepare(self) -> None:
        async with self._fleet() as fleet:
            await rows.make_database(await self._server(fleet, *KEEPERS), self._password)
            await make_vhost(fleet.engine(KEEPERS[0]), QUEUE_USER)

    async def _one(self, case: Case) -> float:
        """Do it under load and look for all that was acknowledged; seconds until all was whole."""
        messages = Messages(broker=self._broker())
        written = [Rows(door=self._door(host), every=0.1) for host in KEEPERS]
        async with self._fleet() as fleet:
            await (await self._server(fleet, *KEEPERS)).run(
                [
                    (f"DELETE FROM `{rows.DATABASE}`.{table}", ())
                    for table in ("written", "sampled")
                ]
            )
            await start_samplers(fleet, KEEPERS, self._password, MOST_SECONDS)
            networks = [self._networks(fleet, host) for host in KEEPERS]
            written[1].acknowledged = written[0].acknowledged
            networks[1].acknowledged = networks[0].acknowledged
            clock, epoch = since_now(), time.time()
            load = Load(streams=(*written, *networks, messages, messages.another()), clock=clock)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run())
                try:
                    await asyncio.sleep(BEFORE_SECONDS)
                    broken, mended = await self._hold(case, clock)
                    await asyncio.to_thread(self._await_whole)
                finally:
                    load.stop()
        seconds = clock() - mended
        async with self._fleet() as fleet:
            samples, sampled = await collect(fleet, KEEPERS, epoch)
            self._judge(case, samples, broken, mended)
            for host in KEEPERS:
                there, by_host = await self._rows_in(fleet, host)
                assert written[0].acknowledged <= there, f"rows that {host} lacks"
                for origin, numbers in sampled.items():
                    assert numbers <= by_host.get(origin, set()), f"{origin}'s rows on {host}"
            made = await self._networks(fleet, KEEPERS[0]).take()
        assert networks[0].acknowledged <= made, "networks that OVN has lost"
        assert messages.acknowledged <= await drain(messages.broker), "messages that are gone"
        self.acknowledged["rows"] += len(written[0].acknowledged) + sum(map(len, sampled.values()))
        self.acknowledged["messages"] += len(messages.acknowledged)
        self.acknowledged["networks"] += len(networks[0].acknowledged)
        return seconds

    async def _rows_in(
        self, fleet: Fleet, host: str
    ) -> tuple[frozenset[int], dict[str, frozenset[int]]]:
        """What this member has. Of a cut of less than a second its cluster hears once it is over,
        and is whole, not whole, and whole again."""
        until = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                return await rows.rows_in(await self._server(fleet, host))
            except HostError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(1)

    async def _hold(self, case: Case, clock: Callable[[], float]) -> tuple[float, float]:
        """Break it, wait, mend it; when it was broken, and when the mending began."""
        async with self._fleet() as fleet, self._injector() as injector:
            begun = []
            try:
                for bad in case.bad:
                    begun.append(bad)
                    await _begin(fleet, injector, bad)
                broken = clock()
                await asyncio.sleep(case.held)
            finally:
                mended = clock()
                for bad in reversed(begun):
                    await _end(fleet, injector, bad)
        return broken, mended

    def _judge(
        self, case: Case, samples: tuple[Sample, ...], broken: float, mended: float
    ) -> None:
        """Never two sides that write, and none that goes on without a majority."""
        split = two_writers(samples, ADDRESSES, broken, mended)
        assert not split, f"two sides took writes: {split}"
        for host in case.cut_off:
            seconds = stopped_after(samples, host, broken, mended)
            assert seconds <= STOP_SECONDS, f"{host} alone took writes for {seconds:.1f} s"

    def _await_whole(self) -> None:
        self.clusters.whole()
        self.clusters.whole_queue()
        self.clusters.whole_raft()

    def _networks(self, fleet: Fleet, host: str) -> Networks:
        return Networks(host=fleet.host(host), address=ADDRESSES[host])

    @asynccontextmanager
    async def _fleet(self) -> AsyncIterator[Fleet]:
        tool = self.clusters.tool
        async with open_fleet(load(tool.cloud), tool.state / "lab") as fleet:
            yield fleet

    @asynccontextmanager
    async def _injector(self) -> AsyncIterator[LabInjector]:
        machine = LocalHost()
        cloud = self.clusters.tool.cloud
        try:
            yield LabInjector(machine=machine, spec=spec_of(load(cloud), cloud))
        finally:
            await machine.close()

    async def _server(self, fleet: Fleet, *hosts: str) -> DatabaseServer:
        root = Secret(name=ROOT_SECRET)
        addresses = [ADDRESSES[host] for host in hosts]
        return DatabaseServer(
            sockets={
                address: await fleet.host(host).tcp_socket(address, MEMBER_PORT)
                for host, address in zip(hosts, addresses, strict=True)
            },
            password=Vault(self.clusters.tool.state).values([root])[str(root)],
            tls=self.clusters.trust(),
        )

    def _door(self, host: str) -> Door:
        return Door(
            address=ADDRESSES[host],
            port=MEMBER_PORT,
            password=self._password,
            tls=self.clusters.trust(),
        )

    def _broker(self) -> Broker:
        account = Secret(name=f"{QUEUE_USER}/queue")
        return Broker(
            members=tuple((address, QUEUE_PORT) for address in ADDRESSES.values()),
            user=QUEUE_USER,
            password=Vault(self.clusters.tool.state).values([account])[str(account)],
            group=len(ADDRESSES),
            tls=self.clusters.trust(),
        )
