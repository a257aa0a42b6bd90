"""What one does with a lab: up, down, status, and a power switch and a cable cutter for drills."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from cloudwright.errors import Locked, Missing
from cloudwright.execute.pieces import PiecesBegan, Said, TellPiece, begin
from cloudwright.lab import containers, cuts, disks, segments
from cloudwright.lab.containers import Found, State
from cloudwright.lab.host_image import ensure_image
from cloudwright.lab.keys import make_keys
from cloudwright.lab.spec import LabHost, LabSpec
from cloudwright.transport.host import Host

IMAGE, NETWORKS = "the hosts' image", "networks"
"""Pieces of `up` beside the hosts themselves."""
OWN_STORE = "own-store"
"""A file in the lab's directory: its hosts hold the container images that they were sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostStatus:
    """One lab host as it is now."""

    name: str
    address: str
    container: str
    state: State
    answers: bool
    """Whether its SSH server does."""


async def up(
    machine: Host,
    spec: LabSpec,
    tell: TellPiece,
    *,
    own_store: bool | None = None,
    disk: int | None = None,
) -> tuple[str, ...]:
    """Make or mend the lab; return the hosts that were started. What is well is left alone.

    With `own_store` the hosts do not see this machine's container images; None leaves it at what
    the lab was made with, and a lab that is `down` forgets it. With `disk` each host has one of
    its own, of so many GiB.

    Returns when every host answers over SSH and its container engine is ready. Raises HostError
    when a network is taken or a tool is missing, Locked when another `lab` command runs.
    """
    with _lock(spec):
        image = await _prepare(machine, spec, tell, own_store=own_store, disk=disk)
        store, there, plugged = await asyncio.gather(
            _store(machine, spec),
            containers.found(machine, spec.id),
            segments.plugged(machine, spec),
        )
        commands = {
            host.name: containers.create_command(spec, host, image=image, store=store)
            for host in spec.hosts
        }
        await _drop(machine, spec, [one for name, one in there.items() if name not in commands])
        ill = {
            host.name: commands[host.name]
            for host in spec.hosts
            if not _well(there.get(host.name), commands[host.name], cabled=host.name in plugged)
        }
        tell(PiecesBegan(needs={name: frozenset((IMAGE, NETWORKS)) for name in ill}))
        await _start_all(machine, spec, tell, ill, there)
        return tuple(ill)


async def status(machine: Host, spec: LabSpec) -> tuple[HostStatus, ...]:
    """Every host that the lab should have, as it is."""
    there = await containers.found(machine, spec.id)

    async def one(host: LabHost) -> HostStatus:
        seen = there.get(host.name)
        state: State = "absent" if seen is None else "on" if seen.running else "off"
        return HostStatus(
            name=host.name,
            address=host.address,
            container=host.container,
            state=state,
            answers=state == "on" and await containers.answers(host, timeout=2.0),
        )

    return tuple(await asyncio.gather(*(one(host) for host in spec.hosts)))


async def down(machine: Host, spec: LabSpec, *, data: bool = False) -> None:
    """Remove containers, bridges and cables; the hosts' disks stay unless `data`.

    Works from names and labels alone, so that it also cleans up after a run that was killed.
    """
    with _lock(spec):
        await containers.remove(machine, spec.id, data=data)
        if data:
            disks.remove_disks(spec)
        (spec.directory / OWN_STORE).unlink(missing_ok=True)
        await segments.remove_devices(machine, spec.id)


async def kill(machine: Host, spec: LabSpec, names: Sequence[str]) -> None:
    """Cut the power of hosts (a name, or `site:NAME`) at once: nothing in them gets to say
    goodbye. Their disks stay; one that is off stays off. Raises Missing when the lab has no such
    host now."""
    chosen = spec.chosen(names)
    there = await containers.found(machine, spec.id)
    _refuse_absent(chosen, there)
    doomed = [host for host in chosen if there[host.name].running]
    if doomed:
        # A dead machine is silent. This one's kernel would answer for it: refuse connections and
        # end those that were open, which is far kinder to whoever has to notice.
        await segments.silence(machine, doomed)
        names = " ".join(host.container for host in doomed)
        await machine.run(f"podman kill --signal KILL {names}")
        await machine.run(f"podman wait {names}", check=False)


async def boot(machine: Host, spec: LabSpec, names: Sequence[str]) -> None:
    """Switch hosts on, side by side; return when all answer over SSH. One that is on is left."""
    chosen = spec.chosen(names)
    with _lock(spec):
        there = await containers.found(machine, spec.id)
        _refuse_absent(chosen, there)
        for host in chosen:
            if not there[host.name].running:
                await segments.plug(machine, host)
                await machine.run(f"podman start {host.container}")
        async with _awaited() as answering:
            answering += [
                asyncio.create_task(containers.wait_ready(machine, host)) for host in chosen
            ]


async def cut(machine: Host, spec: LabSpec, sites: Sequence[str]) -> None:
    """Cut one site off from all others, or several off from each other, on every network."""
    wanted = cuts.meant(sites, spec.sites)
    uplinks = await segments.uplinks(machine, spec)
    pairs = cuts.pairs_cut(uplinks) | wanted
    await segments.set_uplinks(machine, spec, cuts.uplinks_for(pairs, tuple(uplinks)))


async def join(machine: Host, spec: LabSpec, sites: Sequence[str]) -> None:
    """Undo `cut`."""
    wanted = cuts.meant(sites, spec.sites)
    uplinks = await segments.uplinks(machine, spec)
    pairs = cuts.pairs_cut(uplinks) - wanted
    await segments.set_uplinks(machine, spec, cuts.uplinks_for(pairs, tuple(uplinks)))


async def _prepare(
    machine: Host, spec: LabSpec, tell: TellPiece, *, own_store: bool | None, disk: int | None
) -> str:
    """Make all that hosts need before they have power; returns their image."""
    _check_root()
    tell(PiecesBegan(needs={IMAGE: frozenset(), NETWORKS: frozenset((IMAGE,))}))
    done = begin(tell, IMAGE)
    image = await ensure_image(machine, lambda text: tell(Said(text=text)))
    done()
    make_keys(spec)
    _choose_store(spec, own_store)
    if disk:
        await disks.make_disks(machine, spec, disk)
    done = begin(tell, NETWORKS)
    await segments.make_segments(machine, spec)
    done()
    return image


def _choose_store(spec: LabSpec, own: bool | None) -> None:
    if own is not None:
        mark = spec.directory / OWN_STORE
        mark.touch() if own else mark.unlink(missing_ok=True)


async def _store(machine: Host, spec: LabSpec) -> str:
    own = (spec.directory / OWN_STORE).exists()
    return "" if own else await containers.outer_store(machine)


def _well(one: Found | None, command: str, *, cabled: bool) -> bool:
    return (
        one is not None and one.running and cabled and one.digest == containers.digest_in(command)
    )


async def _start_all(
    machine: Host,
    spec: LabSpec,
    tell: TellPiece,
    ill: Mapping[str, str],
    there: Mapping[str, Found],
) -> None:
    """Start the ill hosts, by the commands that make them; return when all of the lab answer."""
    async with _awaited() as answering:
        for host in spec.hosts:
            done = None
            if host.name in ill:
                tell(Said(text=f"starting {host.name} ({host.address})"))
                done = begin(tell, host.name)
                await _start(machine, host, there.get(host.name), ill[host.name])
            answering.append(asyncio.create_task(_answer(machine, host, done)))


@asynccontextmanager
async def _awaited() -> AsyncIterator[list[asyncio.Task[None]]]:
    """The tasks that the block puts into the list have ended with it: by themselves, or because
    the block, or one of them, failed; that error is raised, and no other."""
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(machine: Host, host: LabHost, done: Callable[[], float] | None) -> None:
    await containers.wait_ready(machine, host)
    if done:
        done()


async def _start(machine: Host, host: LabHost, one: Found | None, command: str) -> None:
    same = one is not None and one.digest == containers.digest_in(command)
    if one is not None and not same:
        await machine.run(f"podman rm --force --time 10 {one.container}")
    elif one is not None and one.running:
        # Its cables are gone, and a process cannot be moved to a new network namespace.
        await machine.run(f"podman stop {one.container}")
    await segments.plug(machine, host)
    if not same:
        await machine.run(command)
    await machine.run(f"podman start {host.container}")


async def _drop(machine: Host, spec: LabSpec, gone: list[Found]) -> None:
    """Remove hosts that the cloud no longer has; their disks stay."""
    for one in gone:
        await machine.run(f"podman rm --force --time 10 {one.container}")
        await machine.run(f"ip netns delete {one.container} 2>/dev/null || true")


def _refuse_absent(chosen: Sequence[LabHost], there: Mapping[str, Found]) -> None:
    for host in chosen:
        if host.name not in there:
            hint = "`cloudwright lab up` makes it"
            raise Missing(f"there is no lab host {host.name}", hint=hint)


def _check_root() -> None:
    if os.geteuid() != 0:
        raise Missing("a lab needs root", hint="run the same command with sudo")


@contextmanager
def _lock(spec: LabSpec) -> Iterator[None]:
    """Let one `lab` command at a time change a lab; the kernel frees the lock of a dead one."""
    spec.directory.mkdir(parents=True, exist_ok=True)
    with (spec.directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                "another `lab` command changes this lab",
                where=str(spec.directory / "lock"),
                hint="wait until it has ended",
            ) from None
        yield
