"""The parts of the smoke test: what each needs to be there before it, and what it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cloudwright.errors import StepFailed
from cloudwright.execute.central.api import Api
from cloudwright.execute.interrupts import in_thread
from cloudwright.execute.pieces import Said, TellPiece
from cloudwright.execute.sample import sample
from cloudwright.execute.sample.disk import Disk
from cloudwright.execute.sample.reach import Login, new_key, ping, run_over_ssh
from cloudwright.model.cloud import Cloud
from cloudwright.transport.host import Host

POLL_SECONDS = 0.4
IMAGE_SECONDS = 180
ACTIVE_SECONDS = 240
PORT_SECONDS = 30
GONE_SECONDS = 90
CONSOLE_SECONDS = 240
CONSOLE_LINES = 17
"""The last lines that a failure shows."""
PROOF = "echo in-the-instance"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """What to boot, and in which availability zone (empty: wherever there is room). `ready` is the
    line that its console shows once it is up; empty: not asked."""

    disk: Disk
    user: str
    memory_mib: int
    ready: str = ""
    zone: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all parts work with; `made` is what each part gave that is done, by its name, and
    `tell` takes what goes on."""

    cloud: Cloud
    api: Api
    gateway: Host
    directory: Path
    guest: Guest
    tell: TellPiece
    made: dict[str, Any] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Tell a line of its own."""
        self.tell(Said(text=text))

    async def ask(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(sdk, *arguments)` in a thread; what the cloud refused is an error for a person."""
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException

        try:
            return await in_thread(work, self.api.sdk, *arguments)
        except (ClientException, SDKException) as err:
            raise StepFailed(
                "the cloud refused",
                why=str(err),
                hint="`cloudwright status` says whether the cloud is well",
            ) from err

    async def until(
        self, what: str, seconds: float, look: Callable[..., T | None], *arguments: Any
    ) -> T:
        """What `look` gives once it gives something; StepFailed names what was awaited."""
        deadline = time.monotonic() + seconds
        while not (found := await self.ask(look, *arguments)):
            if time.monotonic() > deadline:
                raise StepFailed(f"waited {seconds:g} s for {what}")
            await asyncio.sleep(POLL_SECONDS)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part: the names of those that are done before it, and its work."""

    needs: tuple[str, ...] = ()
    work: Callable[[Bench], Awaitable[Any]]


async def _remove_earlier(bench: Bench) -> None:
    if removed := await _remove(bench):
        bench.say(f"  removed {removed} things")


async def _remove(bench: Bench) -> int:
    """Remove everything that is called like the sample; returns how many things."""
    servers: Sequence[Any] = await bench.ask(sample.remove_servers)
    for server in servers:
        await bench.until("the instance to be gone", GONE_SECONDS, sample.is_gone, server)
    return len(servers) + await bench.ask(sample.remove_rest)


async def _image(bench: Bench) -> Any:
    image = await bench.ask(sample.upload_image, bench.guest.disk)
    what = "the image to become active"
    return await bench.until(what, IMAGE_SECONDS, sample.active_image, image)


async def _flavor(bench: Bench) -> Any:
    return await bench.ask(sample.make_flavor, bench.guest.disk, bench.guest.memory_mib)


async def _security_group(bench: Bench) -> Any:
    return await bench.ask(sample.make_security_group)


async def _keypair(bench: Bench) -> Path:
    """The file of a private key, whose public half the cloud has."""
    file, public = new_key(bench.directory)
    await bench.ask(sample.make_keypair, public)
    return file


async def _external(bench: Bench) -> Any:
    return await bench.ask(sample.make_external, bench.cloud.networks.external)


async def _private(bench: Bench) -> tuple[Any, Any]:
    return await bench.ask(sample.make_private, bench.cloud)


async def _router(bench: Bench) -> Any:
    _, subnet = bench.made["private network"]
    return await bench.ask(sample.make_router, bench.made["external network"], subnet)


async def _floating_ip(bench: Bench) -> Any:
    return await bench.ask(sample.make_floating_ip, bench.made["external network"])


async def _server(bench: Bench) -> Any:
    network, _ = bench.made["private network"]
    image, flavor, group = (bench.made[name] for name in ("image", "flavor", "security group"))
    return await bench.ask(sample.make_server, bench.guest.zone, image, flavor, network, group)


async def _active(bench: Bench) -> Any:
    what, server = "the instance to become ACTIVE", bench.made["instance asked for"]
    return await bench.until(what, ACTIVE_SECONDS, sample.active_server, server)


async def _attach(bench: Bench) -> Login:
    """How to log in, once the floating IP leads to the instance."""
    server, floating = bench.made["instance ACTIVE"], bench.made["floating IP"]
    port = await bench.until("the instance's port", PORT_SECONDS, sample.port_of, server)
    await bench.ask(sample.attach_floating_ip, floating, port)
    return Login(
        address=floating.floating_ip_address,
        user=bench.guest.user,
        key_file=bench.made["keypair"],
        known_hosts=bench.directory / "known_hosts",
    )


async def _console(bench: Bench) -> str:
    """The console's text once it holds the ready line (or anything, when none is asked for)."""
    ready, server = bench.guest.ready, bench.made["instance ACTIVE"]

    def look(sdk: Any) -> str:
        console = sample.console_of(sdk, server)
        return console if ready in console else ""

    what = f"{ready!r} on the console" if ready else "the console's first lines"
    return await bench.until(what, CONSOLE_SECONDS, look)


async def _ping(bench: Bench) -> None:
    address = bench.made["attach floating IP"].address
    where = await ping(address, bench.gateway)
    bench.say(f"  {address} answers {where}")


async def _ssh(bench: Bench) -> None:
    said = await run_over_ssh(
        bench.made["attach floating IP"],
        bench.made["console log"],
        bench.gateway,
        PROOF,
        lambda why: bench.say(f"  … SSH: {why}"),
    )
    if "in-the-instance" not in said:
        raise StepFailed("the instance answers SSH but runs no command", why=said)


def _with_console(work: Callable[[Bench], Awaitable[T]]) -> Callable[[Bench], Awaitable[T]]:
    """The same work; its failure carries the console's last lines."""

    async def explained(bench: Bench) -> T:
        try:
            return await work(bench)
        except StepFailed as err:
            tail = await _console_tail(bench)
            raise StepFailed(
                err.what,
                where=err.where,
                why=f"{err.why}\nthe console's last lines:\n{tail}".strip(),
                hint=err.hint
                or "everything is left as it is for a look; the next smoke removes it",
            ) from err

    return explained


async def _console_tail(bench: Bench) -> str:
    """What explains a failure best; a cloud that cannot even say it is part of the story."""
    try:
        console = await bench.ask(sample.console_of, bench.made["instance ACTIVE"])
    except StepFailed as err:
        return f"(not to be had: {err.why})"
    return "\n".join(console.splitlines()[-CONSOLE_LINES:]) or "(none)"


_CLEARED = ("remove what an earlier run left",)
_SSH = "SSH, with the key from the metadata service"

PARTS: Mapping[str, Part] = {
    _CLEARED[0]: Part(work=_remove_earlier),
    "image": Part(needs=_CLEARED, work=_image),
    "flavor": Part(needs=_CLEARED, work=_flavor),
    "security group": Part(needs=_CLEARED, work=_security_group),
    "keypair": Part(needs=_CLEARED, work=_keypair),
    "external network": Part(needs=_CLEARED, work=_external),
    "private network": Part(needs=_CLEARED, work=_private),
    "router": Part(needs=("external network", "private network"), work=_router),
    "floating IP": Part(needs=("router",), work=_floating_ip),
    "instance asked for": Part(
        needs=("keypair", "private network", "image", "flavor", "security group"), work=_server
    ),
    "instance ACTIVE": Part(needs=("instance asked for",), work=_active),
    "attach floating IP": Part(needs=("floating IP", "instance ACTIVE"), work=_attach),
    "console log": Part(needs=("attach floating IP",), work=_with_console(_console)),
    "ping": Part(needs=("attach floating IP",), work=_with_console(_ping)),
    _SSH: Part(needs=("console log", "ping"), work=_with_console(_ssh)),
}
"""All but the end."""

REMOVE: Mapping[str, Part] = {"remove everything": Part(needs=(_SSH,), work=_remove)}
"""The end, unless what was made is kept."""
