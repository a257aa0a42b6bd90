"""A lab host with nothing on it, and the command line as a user has it."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloud.tool import SQL
from tests.leftovers import remove_labs_in

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = "bench"
"""The cloud's."""
NETWORK = "10.77."
"""Of these tests alone, in place of the examples'."""
ADDRESS = f"{NETWORK}0.11"
CHANGES = 10


@dataclass(frozen=True, slots=True)
class Bench:
    """Lab hosts with nothing on them, and the command line beside their `cloud.yaml`."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "cloud.yaml"

    @property
    def keys(self) -> Path:
        return self.directory / ".cloudwright" / "lab"

    def run(self, *words: str, status: int = 0) -> str:
        """What a verb prints; fails the test when it ends otherwise than with `status`."""
        done = subprocess.run(
            [sys.executable, "-m", "cloudwright", *words],
            cwd=self.directory,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
        )
        assert done.returncode == status, f"{' '.join(words)}:\n{done.stdout}"
        return done.stdout

    def refused(self, *told: str) -> None:
        """`plan` and `apply` both end with 4 and say all of this, and leave no run behind."""
        before = self.runs()
        for words in (("plan",), ("apply", "--yes")):
            said = self.run(*words, status=4)
            for text in (*told, "error: ", "hint: "):
                assert text in said, said
            assert "Traceback" not in said
        assert self.runs() == before

    def usable(self) -> None:
        """The host can be used again, and nothing has been done to it."""
        assert "is not there" in self.run("plan", "--json", status=CHANGES)
        assert self.on_host("podman ps -aq; podman volume ls -q; ls -A /etc/cloudwright") == ""

    def runs(self) -> list[str]:
        return sorted(p.name for p in (self.directory / ".cloudwright").glob("runs/*"))

    @contextmanager
    def taken(self, port: int) -> Iterator[None]:
        """A program of somebody else, perl, listens on the host's port meanwhile."""
        self.on_host(
            "nohup perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("
            f'LocalAddr => "{ADDRESS}", LocalPort => {port}, Listen => 1) or die $!; sleep 3600\''
            " >/dev/null 2>&1 & echo $! >/run/taken; "
            f"until ss -Hltn | grep -q '{ADDRESS}:{port} '; do sleep 0.1; done"
        )
        try:
            yield
        finally:
            self.on_host("kill $(cat /run/taken)")

    @contextmanager
    def without_engine(self) -> Iterator[None]:
        """There is no container engine on the host meanwhile."""
        self.on_host(
            "mv /usr/bin/podman /usr/bin/podman.away; "
            "kill $(pidof podman); rm -f /run/podman/podman.sock"
        )
        try:
            yield
        finally:
            self.on_host(
                "mv /usr/bin/podman.away /usr/bin/podman; "
                "until podman --remote info >/dev/null 2>&1; do sleep 0.1; done"
            )

    @contextmanager
    def ahead(self, hours: int) -> Iterator[None]:
        """The clock of each program that begins on the host meanwhile is so many hours ahead.

        The kernel's own is that of this machine, so a library of Debian's stands before it.
        """
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            pytest.skip("libfaketime is not installed")
        there = f"/usr/lib/{library.name}"
        self.on_host(
            f"base64 -d >{there} && echo +{hours}h >/etc/faketimerc && "
            f"echo {there} >/etc/ld.so.preload",
            stdin=base64.b64encode(library.read_bytes()).decode(),
        )
        try:
            yield
        finally:
            self.on_host(f"rm /etc/ld.so.preload /etc/faketimerc {there} /dev/shm/*faketime_*")

    def sql(self, statement: str, *, address: str = ADDRESS) -> str:
        """What the database on a host says to its root."""
        return self.on_host(SQL.format(statement), address=address)

    def empty(self, host: str) -> None:
        """The host loses all that its disk held, and is on again."""
        listed = ["podman", "ps", "--all", f"--filter=label=io.cloudwright.lab.host={host}"]
        listed += [
            f"--filter=label=io.cloudwright.lab.directory={self.keys}",
            "--format={{.Names}}",
        ]
        [name] = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        for words in (["rm", "--force", "--time=0"], ["volume", "rm", "--force"]):
            subprocess.run(["podman", *words, name], check=True, capture_output=True)
        self.run("lab", "up")

    def on_host(self, command: str, *, stdin: str = "", address: str = ADDRESS) -> str:
        """What a command prints on the host, of several the first."""
        argv = ["ssh", "-i", str(self.keys / "id_ed25519"), "-o", "BatchMode=yes"]
        argv += ["-o", f"UserKnownHostsFile={self.keys / 'known_hosts'}", f"root@{address}"]
        done = subprocess.run(
            [*argv, command], input=stdin, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def description(example: str) -> str:
    """The `cloud.yaml` of one of the examples, in the network and by the name of these tests."""
    text = (EXAMPLES / f"{example}.yaml").read_text()
    return re.sub("^name: .*", f"name: {NAME}", re.sub(r"10\.6\d\.", NETWORK, text), flags=re.M)


def three_controllers() -> str:
    """The description of three hosts that do everything."""
    whole = description("three-controllers").replace("[control,", "[control, compute,")
    before, _, rest = whole.partition("  cmp-1:")
    return before + rest[rest.index("networks:") :]


@contextmanager
def bench_in(directory: Path, cloud: str) -> Iterator[Bench]:
    """The lab of a `cloud.yaml`, and nothing of it after."""
    bench = Bench(directory)
    bench.file.write_text(cloud)
    remove_labs_in(f"{NETWORK}0.")
    bench.run("lab", "up")
    try:
        yield bench
    finally:
        bench.run("lab", "down", "--data")
