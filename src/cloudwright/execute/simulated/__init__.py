"""A fleet in memory that steps are done to, in halves, with failures where one wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from cloudwright.errors import HostError, StepFailed, Unreachable
from cloudwright.execute.host import judge
from cloudwright.execute.simulated.host import Process, SimulatedHost, sum_of
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.checks import Kept, Standing, breaches, may_stop
from cloudwright.plan.difference import Observed, Seen
from cloudwright.plan.steps import (
    BringImages,
    MakeDatabase,
    MakeIdentity,
    MakeQueueUser,
    MakeVolume,
    MakeZone,
    ReadAgain,
    RemoveContainer,
    RunContainer,
    RunJob,
    SetSwitch,
    Step,
    WriteFiles,
)

DATABASE = "mariadb"
"""The container, and the volume, that keep what is the cloud's and not a host's."""


class Failure(Enum):
    """Where in a step it fails."""

    BEFORE = "nothing of it was done"
    HALF = "its first half was done, no more"
    AFTER = "it was done, and the answer was lost"


PATIENCE = 200
"""How many halves of steps one waits for others of its kind to work again."""


class Killed(BaseException):
    """The process ended in the middle, as by `kill -9`: nothing after it happens."""


@dataclass(slots=True)
class SimulatedWorld:
    """Hosts by name, and `central`: step id → digest of what is in the database and in Keystone.

    `failures` are spent: a step fails once for each. Every half of a step is a moment; the run is
    killed at the moment `kill_at`, and `events` happen at theirs. Containers of `sick` digests
    never become healthy. What steps took away against `rules` is written to `broken`; `order`
    records what was done.
    """

    cloud: str = "sim"
    hosts: dict[str, SimulatedHost] = field(default_factory=dict)
    central: dict[str, str] = field(default_factory=dict)
    rules: tuple[Kept, ...] = ()
    failures: dict[str, Failure] = field(default_factory=dict)
    events: dict[int, Callable[[], None]] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    kill_at: int = -1
    moments: int = 0
    made: int = 0
    order: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def host(self, name: str) -> SimulatedHost:
        """The host, which is there from the first time that it is named."""
        return self.hosts.setdefault(name, SimulatedHost())

    def begin_run(self) -> None:
        """A new process of ours: nothing kills it, unless asked again."""
        self.moments, self.kill_at, self.events = 0, -1, {}

    async def perform(
        self, step: Step, log: Callable[[str], None], waits: Callable[[str], None]
    ) -> None:
        """Do the step to this world, or fail as asked."""
        failure = self.failures.pop(step.id, None)
        self._moment(step)
        if failure is Failure.BEFORE:
            raise HostError("injected", where=step.id)
        halves = self._halves(step)
        while self._advance(halves):
            await asyncio.sleep(0)
            self._moment(step)
            if failure is Failure.HALF:
                raise HostError("injected", where=step.id)
        self.order.append(step.id)
        if failure is Failure.AFTER:
            raise HostError("injected", where=step.id)

    def _moment(self, step: Step) -> None:
        """The run may be killed here, hosts may die, and a dead one answers no more."""
        if 0 <= self.kill_at <= self.moments:
            raise Killed
        self.moments += 1
        if event := self.events.pop(self.moments, None):
            event()
        if not self.host(step.host).up:
            raise Unreachable(f"the connection to {step.host} was lost", where=step.id)

    def _advance(self, halves: Iterator[None]) -> bool:
        """Do the next half and look what it took away; False after the last."""
        if not self.rules:
            return next(halves, self) is not self
        before = self.standing()
        try:
            next(halves)
        except StopIteration:
            return False
        finally:
            self.broken += breaches(before, self.standing(), self.rules)
        return True

    def _halves(self, step: Step) -> Iterator[None]:
        host = self.host(step.host)
        match step.action:
            case WriteFiles() as action:
                return _write(host, action)
            case MakeVolume(volume=volume):
                return self._make_volume(host, volume)
            case RunContainer() as action:
                return self._run(host, step, action)
            case ReadAgain() as action:
                return _read_again(host, step, action)
            case RunJob() | MakeDatabase() | MakeIdentity() | MakeZone():
                return self._record(step, self._database_answers())
            case MakeQueueUser(container=container):
                return self._record(step, self._runs_somewhere(container))
            case SetSwitch(container=container):
                return _set_switch(host, step, container)
            case BringImages(images=images):
                return _bring(host, images.values())
            case RemoveContainer(container=container):
                return _remove(host, container)

    def _make_volume(self, host: SimulatedHost, volume: str) -> Iterator[None]:
        if volume not in host.volumes:
            self.made += 1
            host.volumes[volume] = str(self.made)
        yield

    def _run(self, host: SimulatedHost, step: Step, action: RunContainer) -> Iterator[None]:
        name = action.container
        for _ in range(PATIENCE):
            process = host.processes.get(name)
            if not process or not process.healthy or self._may_stop(step, action):
                break
            yield
        else:
            raise StepFailed("too few others work", where=step.id)
        host.processes.pop(name, None)
        yield
        host.mark(name, judge.STARTING, [])
        yield
        self.made += 1
        process = host.processes[name] = Process(step=step, id=str(self.made), cloud=self.cloud)
        for bind in action.body.binds:
            if not bind.source.startswith("/"):  # the engine makes what is missing
                yield from self._make_volume(host, bind.source)
        host.start(process)
        yield
        if step.digest in self.sick:
            raise StepFailed("did not become healthy", where=step.id)
        process.healthy = True
        yield
        host.unmark(name, judge.UNREAD, judge.REREAD, judge.STARTING)

    def _may_stop(self, step: Step, action: RunContainer) -> bool:
        others = [p for p in action.members if p.host != step.host]
        lost = [p for p in others if not self.host(p.host).up]
        working = sum(self.works(p.host, p.container) for p in others)
        return may_stop(step, down=len(others) - len(lost) - working, lost=len(lost))

    def _record(self, step: Step, answers: bool) -> Iterator[None]:
        """Into what the cloud has once: it must be there, and keeps what it is told."""
        if not answers:
            raise HostError("nobody answers", where=step.id)
        yield
        self.central[step.id] = step.digest

    def _database_answers(self) -> bool:
        """Whether a majority of what votes in it works, one with data among them."""
        voters = {
            (peer.host, peer.container)
            for host in self.hosts.values()
            if host.up and (process := host.processes.get(DATABASE))
            for peer in process.action.members
        }
        working = sum(self.works(*voter) for voter in voters)
        return self._runs_somewhere(DATABASE) and working > len(voters) // 2

    def _runs_somewhere(self, container: str) -> bool:
        return any(self.works(name, container) for name in self.hosts)

    def works(self, name: str, container: str) -> bool:
        """Whether the container runs and is healthy on a host that is there."""
        host = self.hosts.get(name)
        process = host.processes.get(container) if host and host.up else None
        return process is not None and process.running and process.healthy

    def standing(self) -> Standing:
        """What works and which volumes are there; nothing of a host that is away."""
        there = [(name, host) for name, host in self.hosts.items() if host.up]
        return Standing(
            hosts=frozenset(name for name, _ in there),
            up=frozenset(
                (name, container)
                for name, host in there
                for container in host.processes
                if self.works(name, container)
            ),
            volumes=frozenset(
                (name, volume, made)
                for name, host in there
                for volume, made in host.volumes.items()
            ),
        )

    def lose_disk(self, name: str) -> None:
        """The host comes back empty; what only it kept is lost."""
        self.host(name).lose_disk()
        if not any(DATABASE in host.volumes for host in self.hosts.values()):
            self.central.clear()

    def observe(self, blueprint: Blueprint) -> Observed:
        """What is there, as looking at real hosts would say it."""
        seen: dict[str, Seen] = {}
        declared: set[tuple[str, str]] = set()
        reached = {step.host for step in blueprint.steps.values()}
        answers = self._database_answers()
        for step in blueprint.steps.values():
            match step.action:
                case RunContainer(container=container):
                    declared.add((step.host, container))
                case WriteFiles() as action:
                    declared.add((step.host, _directory(action)))
                case _:
                    pass
            if (found := self._seen(step, blueprint, answers)) is not None:
                seen[step.id] = found
        strays = {
            (name, container)
            for name, host in self.hosts.items()
            if host.up and name in reached
            for container in (*host.processes, *host.files)
        }
        return Observed(seen=seen, strays=tuple(sorted(strays - declared)))

    def _seen(self, step: Step, blueprint: Blueprint, answers: bool) -> Seen | None:
        host = self.host(step.host)
        match step.action:
            case WriteFiles() as action:
                config = _config(host, action)
                return judge.files_seen(step, config) if config else None
            case MakeVolume(volume=volume):
                return Seen(digest=step.digest) if volume in host.volumes else None
            case RunContainer(container=name) | ReadAgain(container=name):
                if name not in host.processes:
                    return None
                state = host.processes[name].state()
                config = _config_beside(host, step, blueprint)
                if isinstance(step.action, ReadAgain):
                    return judge.reading_seen(step, state, config)
                return judge.container_seen(step, state, config, blueprint.cloud)
            case SetSwitch(container=name):
                process = host.processes.get(name)
                known = step.id in host.switches and process is not None and process.running
                return Seen(digest=host.switches[step.id]) if known else None
            case MakeQueueUser(container=container):
                known = step.id in self.central and self._runs_somewhere(container)
                return Seen(digest=self.central[step.id]) if known else None
            case _:
                known = answers and step.id in self.central
                return Seen(digest=self.central[step.id]) if known else None


def _write(host: SimulatedHost, action: WriteFiles) -> Iterator[None]:
    directory = _directory(action)
    wanted = {file.name: file for file in action.files}
    found = host.found(directory) or judge.Found()
    changed = judge.changed({name: sum_of(f.text) for name, f in wanted.items()}, found)
    files = host.files.setdefault(directory, {})
    host.mark(directory, judge.UNREAD, sorted(found.unread | set(changed)))
    yield
    for name, file in wanted.items():
        files[name] = file
        if name == action.files[len(wanted) // 2].name:
            yield
    host.written(directory)
    yield
    host.files[directory] = wanted


def _read_again(host: SimulatedHost, step: Step, action: ReadAgain) -> Iterator[None]:
    process = host.processes.get(action.container)
    if process is None or not process.running:
        raise HostError(f"{action.container} does not run", where=step.id)
    yield
    for file in action.files:
        process.read[file.name] = host.files[action.container][file.name].text
    yield
    host.mark(action.container, judge.REREAD, [f"{process.id} {step.digest}"])
    yield
    host.unmark(action.container, judge.UNREAD)


def _set_switch(host: SimulatedHost, step: Step, container: str) -> Iterator[None]:
    process = host.processes.get(container)
    if process is None or not process.running:
        raise HostError(f"{container} does not run", where=step.id)
    yield
    host.switches[step.id] = step.digest


def _remove(host: SimulatedHost, container: str) -> Iterator[None]:
    host.processes.pop(container, None)
    yield
    host.files.pop(container, None)
    host.marks.pop(container, None)


def _directory(action: WriteFiles) -> str:
    return action.directory.rpartition("/")[2]


def _config(host: SimulatedHost, action: WriteFiles) -> judge.Config | None:
    found = host.found(_directory(action))
    sums = {file.name: sum_of(file.text) for file in action.files}
    if found is None:
        return None
    config = judge.config_of(action, sums, found)
    there = host.files[_directory(action)]
    return replace(config, found=tuple(there[name] for name in config.others))


def _config_beside(host: SimulatedHost, step: Step, blueprint: Blueprint) -> judge.Config | None:
    for need in step.needs:
        beside = blueprint.steps.get(need)
        if beside and beside.host == step.host and isinstance(beside.action, WriteFiles):
            return _config(host, beside.action)
    return None


def _bring(host: SimulatedHost, ids: Iterable[str]) -> Iterator[None]:
    """One after the other: a stream that was cut off has left those before."""
    for id in ids:
        yield
        host.images.add(id)
