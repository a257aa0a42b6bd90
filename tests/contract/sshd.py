"""A real sshd of our own on a high port of this machine, with keys made for it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudwright.transport.ssh import SshAddress

SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sshd:
    """The server and what it takes to log in to it."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    def address(self, **changed: object) -> SshAddress:
        """The right way in, or one with something changed."""
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "key_file": self.directory / "user",
            "known_hosts": self.directory / "known_hosts",
        }
        return SshAddress(**(values | changed))  # type: ignore[arg-type]

    def kill(self) -> None:
        """End the server and every session of it at once, as a dying host would."""
        for child in _descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def missing() -> str:
    """Why no sshd can be run here; empty when one can."""
    if not Path(SSHD).exists():
        return "openssh-server is not installed"
    if os.geteuid() != 0:
        return "sshd is run as root, to log in as root"
    return ""


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Sshd]:
    """Run an sshd whose files are all in `directory`."""
    for name in ("host", "user", "stranger"):
        make_key(directory / name)
    shutil.copy(directory / "user.pub", directory / "authorized_keys")
    port = free_port()
    (directory / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {directory}/host\n"
        f"AuthorizedKeysFile {directory}/authorized_keys .ssh/authorized_keys\n"
        f"PidFile {directory}/pid\n"
        "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nAllowStreamLocalForwarding yes\n"
    )
    known_host(directory / "known_hosts", port, directory / "host.pub")
    Path("/run/sshd").mkdir(exist_ok=True)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", directory / "config"], stderr=log)
    sshd = Sshd(process=process, port=port, directory=directory)
    try:
        _wait_for(port)
        yield sshd
    finally:
        sshd.kill()


def make_key(path: Path) -> None:
    """Make a key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def known_host(file: Path, port: int, public: Path) -> None:
    """Write that the server on `port` has this key."""
    file.write_text(f"[127.0.0.1]:{port} {public.read_text()}")


def free_port() -> int:
    """A TCP port that nothing listens on, and that no connection is given as its own."""
    taken = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    lowest = int(taken.split()[0])
    while True:
        port = random.randrange(10000, lowest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"sshd does not listen on {port}")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    todo = [pid]
    while todo:
        tasks = Path(f"/proc/{todo.pop()}/task")
        for file in tasks.glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(child) for child in file.read_text().split()]
                found += children
                todo += children
    return found
