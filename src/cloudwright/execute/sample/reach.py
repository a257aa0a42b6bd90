"""Ping and SSH to an instance's floating IP, from this machine or through the first controller."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloudwright.errors import CloudError, StepFailed
from cloudwright.execute.central.access import write_private
from cloudwright.services.neutron import METADATA_AGENT
from cloudwright.transport.host import Host
from cloudwright.transport.lean_ssh import asyncssh

PING_SECONDS = 120
SSH_SECONDS = 120
TRY_SECONDS = 10
POLL_SECONDS = 0.5
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_HOST_KEY = re.compile(
    r"^.*?\b((?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]{40,}={0,2})", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """How to log in to the instance; `known_hosts` is written once its key is known."""

    address: str
    user: str
    key_file: Path
    known_hosts: Path

    def command(self) -> str:
        """What a person types."""
        return (
            f"ssh -i {self.key_file} -o UserKnownHostsFile={self.known_hosts} "
            f"{self.user}@{self.address}"
        )


def new_key(directory: Path) -> tuple[Path, str]:
    """A fresh Ed25519 key for this run: its private file (0600) and its public line."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="cloudwright-smoke")
    path = directory / "id_ed25519"
    write_private(path, key.export_private_key().decode())
    return path, key.export_public_key().decode().strip()


def fingerprints_in(console: str) -> frozenset[str]:
    """What an instance printed of its host keys: the way to know them before the first SSH.

    Whole keys (as cloud-init prints them) and fingerprints alike, as `SHA256:...`.
    """
    found = set(_FINGERPRINT.findall(console))
    for text in _HOST_KEY.findall(console):
        with contextlib.suppress(asyncssh.KeyImportError):  # a console may be cut anywhere
            found.add(asyncssh.import_public_key(text).get_fingerprint())
    return frozenset(found)


class _PrintedKeys(asyncssh.SSHClient):
    """Trusts a host for a key that it printed on its console; asyncssh asks a subclass alone."""

    def __init__(self, fingerprints: frozenset[str]) -> None:
        self._fingerprints = fingerprints

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        return key.get_fingerprint() in self._fingerprints


async def ping(address: str, gateway: Host) -> str:
    """Wait for an answer to ping; returns from where it came. StepFailed when none ever does."""
    deadline = asyncio.get_running_loop().time() + PING_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if await _ping_from_here(address):
            return "this machine"
        done = await gateway.run(f"ping -c 1 -W 1 {address}", check=False)
        if done.status == 0:
            return gateway.name
        await asyncio.sleep(POLL_SECONDS)
    here = "from this machine" if shutil.which("ping") else "from this machine (it has no `ping`)"
    raise StepFailed(
        f"{address} did not answer to ping within {PING_SECONDS} s",
        why=f"neither {here} nor from {gateway.name}",
        hint="`cloudwright logs ovn-controller` and `openstack port list` say more",
    )


async def _ping_from_here(address: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        process = await asyncio.create_subprocess_exec(
            "ping",
            "-c",
            "1",
            "-W",
            "1",
            address,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0
    return False


async def run_over_ssh(
    login: Login, console: str, gateway: Host, command: str, waits: Callable[[str], None]
) -> str:
    """What `command` writes in the instance; waits until it lets us in.

    Its host key is that which it printed on its console; one that printed none is trusted at its
    first use and written down. StepFailed with the last refusal when it never lets us in.
    """
    printed = fingerprints_in(console)
    deadline = asyncio.get_running_loop().time() + SSH_SECONDS
    told = ""
    while True:
        try:
            return await _once(login, printed, gateway, command)
        except (OSError, TimeoutError, asyncssh.Error, CloudError) as err:
            why = str(err) or type(err).__name__
            if asyncio.get_running_loop().time() > deadline:
                raise StepFailed(
                    f"no SSH to {login.address} within {SSH_SECONDS} s",
                    why=why,
                    hint=f"the key comes by the metadata service: `cloudwright logs "
                    f"{METADATA_AGENT}`",
                ) from err
            if why != told:
                waits(why)
                told = why
            await asyncio.sleep(POLL_SECONDS)


async def _once(login: Login, printed: frozenset[str], gateway: Host, command: str) -> str:
    async with asyncio.timeout(TRY_SECONDS):
        opened = await _socket_to(login.address, gateway)
        try:
            connection = await asyncssh.connect(
                login.address,
                sock=opened,
                username=login.user,
                client_keys=[str(login.key_file)],
                known_hosts=([], [], []) if printed else None,
                client_factory=lambda: _PrintedKeys(printed),
                agent_path=None,
                config=None,
            )
        except BaseException:
            opened.close()
            raise
        async with connection:
            done = await connection.run(command, check=True)
            key = connection.get_server_host_key()
    if key is not None:
        line = f"{login.address} {key.export_public_key().decode().strip()}\n"
        write_private(login.known_hosts, line)
    return str(done.stdout or "")


async def _socket_to(address: str, gateway: Host) -> socket.socket:
    """A connection to the instance's SSH: straight, else through the first controller."""
    loop = asyncio.get_running_loop()
    straight = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    straight.setblocking(False)
    try:
        await asyncio.wait_for(loop.sock_connect(straight, (address, 22)), 2)
        return straight
    except (OSError, TimeoutError):
        straight.close()
    path = await gateway.tcp_socket(address, 22)
    led = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    led.setblocking(False)
    await loop.sock_connect(led, str(path))
    return led
