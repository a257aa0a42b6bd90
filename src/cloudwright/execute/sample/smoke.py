"""The smoke test: an instance and all that it depends on, made, reached over SSH, removed."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cloudwright.errors import CloudError, Locked, StepFailed
from cloudwright.execute.central.api import Api
from cloudwright.execute.sample import sample
from cloudwright.execute.sample.reach import Login, new_key, ping, run_over_ssh
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host

CONSOLE_SECONDS = 240
CONSOLE_POLL = 0.7
PROOF = "echo in-the-instance"

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """What to boot, and in which availability zone (empty: wherever there is room). `ready` is the
    line that its console shows once it is up; empty: not asked."""

    disk: sample.Disk
    user: str
    memory_mib: int
    ready: str = ""
    zone: str = ""


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
class _Smoke:
    """One smoke test under way."""

    cloud: Cloud
    api: Api
    gateway: Host
    directory: Path
    guest: Guest
    say: Say
    began: float = field(default_factory=time.monotonic)
    timings: list[Timing] = field(default_factory=list)

    async def timed(self, name: str, work: Awaitable[T]) -> T:
        """Await `work`; note how long it took, or say in which part it failed."""
        began = time.monotonic()
        try:
            result = await work
        except CloudError as err:
            err.where = err.where or f"smoke: {name}"
            raise
        seconds = time.monotonic() - began
        self.timings.append(Timing(name=name, began=began - self.began, seconds=seconds))
        self.say(f"✓ {name} ({seconds:.1f} s)")
        return result

    async def call(self, name: str, work: Callable[..., T], *arguments: Any) -> T:
        """`work(sdk, *arguments)` in a thread, timed."""
        return await self.timed(name, _in_thread(name, work, self.api.sdk, *arguments))


async def smoke(
    cloud: Cloud, api: Api, gateway: Host, directory: Path, guest: Guest, say: Say, *, keep: bool
) -> Report:
    """Do it all; raises StepFailed that names what was awaited, with the console's last lines.

    What an earlier run left is removed first. After a failure everything stays for a look, and
    the next run removes it.
    """
    with _lock(directory):
        run = _Smoke(
            cloud=cloud, api=api, gateway=gateway, directory=directory, guest=guest, say=say
        )
        return await _whole(run, keep=keep)


async def _whole(run: _Smoke, *, keep: bool) -> Report:
    if removed := await run.call("remove what an earlier run left", sample.remove_sample):
        run.say(f"  removed {removed} things")
    login = await _make_and_reach(run)
    if not keep:
        await run.call("remove everything", sample.remove_sample)
    return Report(
        timings=tuple(run.timings),
        seconds=time.monotonic() - run.began,
        login=login,
        kept=keep,
    )


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


async def _make_and_reach(run: _Smoke) -> Login:
    key_file, public_key = new_key(run.directory)
    guest = run.guest
    async with asyncio.TaskGroup() as group:

        def start(name: str, work: Callable[..., Any], *arguments: Any) -> asyncio.Task[Any]:
            return group.create_task(run.call(name, work, *arguments))

        image = start("image", sample.make_image, guest.disk)
        flavor = start("flavor", sample.make_flavor, guest.disk, guest.memory_mib)
        secure = start("security group", sample.make_security_group)
        pair = start("keypair", sample.make_keypair, public_key)
        external = start("external network", sample.make_external, run.cloud.networks.external)
        private = start("private network", sample.make_private, run.cloud)
        entrance = group.create_task(_entrance(run, external, private))
        server = group.create_task(_server(run, image, flavor, private, secure, pair))
    floating = entrance.result()
    await run.call("attach floating IP", sample.attach_floating_ip, floating, server.result())
    login = Login(
        address=floating.floating_ip_address,
        user=guest.user,
        key_file=key_file,
        known_hosts=run.directory / "known_hosts",
    )
    await _reach(run, login, server.result())
    return login


async def _entrance(run: _Smoke, external: asyncio.Task[Any], private: asyncio.Task[Any]) -> Any:
    """Router and floating IP, as soon as both networks are there."""
    outside = await external
    _, subnet = await private
    await run.call("router", sample.make_router, outside, subnet)
    return await run.call("floating IP", _allocate, outside)


def _allocate(sdk: Any, external: Any) -> Any:
    return sdk.network.create_ip(floating_network_id=external.id, description=sample.PREFIX)


async def _server(
    run: _Smoke,
    image: asyncio.Task[Any],
    flavor: asyncio.Task[Any],
    private: asyncio.Task[Any],
    secure: asyncio.Task[Any],
    pair: asyncio.Task[Any],
) -> Any:
    """The instance, as soon as what it is made of is there, until Nova calls it ACTIVE."""
    await pair
    network, _ = await private
    parts = (run.guest.zone, await image, await flavor, network, await secure)
    server = await run.call("instance asked for", sample.make_server, *parts)
    return await run.call("instance ACTIVE", sample.wait_active, server)


async def _reach(run: _Smoke, login: Login, server: Any) -> None:
    """Console, ping and SSH; a failure carries the console's last lines."""
    try:
        console, where = await asyncio.gather(
            run.timed("console log", _console(run, server)),
            run.timed("ping", ping(login.address, run.gateway)),
        )
        run.say(f"  {login.address} answers {where}")
        said = await run.timed(
            "SSH, with the key from the metadata service",
            run_over_ssh(
                login, console, run.gateway, PROOF, lambda why: run.say(f"  … SSH: {why}")
            ),
        )
        if "in-the-instance" not in said:
            raise StepFailed("the instance answers SSH but runs no command", why=said)
    except StepFailed as err:
        tail = await _console_tail(run, server)
        raise StepFailed(
            err.what,
            where=err.where,
            why=f"{err.why}\nthe console's last lines:\n{tail}".strip(),
            hint=err.hint or "everything is left as it is for a look; the next smoke removes it",
        ) from err


async def _console_tail(run: _Smoke, server: Any) -> str:
    """What explains a failure best; a cloud that cannot even say it is part of the story."""
    try:
        console = await _in_thread("console", sample.console_of, run.api.sdk, server)
    except StepFailed as err:
        return f"(not to be had: {err.why})"
    return "\n".join(console.splitlines()[-sample.CONSOLE_LINES + 3 :]) or "(none)"


async def _console(run: _Smoke, server: Any) -> str:
    """The console's text once it holds the ready line (or anything, when none is asked for)."""
    deadline = time.monotonic() + CONSOLE_SECONDS
    while True:
        console = await _in_thread("console", sample.console_of, run.api.sdk, server)
        if console and run.guest.ready in console:
            return console
        if time.monotonic() > deadline:
            raise StepFailed(
                f"the console did not show {run.guest.ready!r} within {CONSOLE_SECONDS} s"
            )
        await asyncio.sleep(CONSOLE_POLL)


async def _in_thread(name: str, work: Callable[..., T], *arguments: Any) -> T:
    """Run in a thread; what the cloud refused becomes an error for a person."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        return await asyncio.to_thread(work, *arguments)
    except (ClientException, SDKException) as err:
        raise StepFailed(
            "the cloud refused",
            where=f"smoke: {name}",
            why=str(err),
            hint="`cloudwright status` says whether the cloud is well",
        ) from err
