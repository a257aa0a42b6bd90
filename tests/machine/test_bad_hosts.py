"""A host that cannot be used: `plan` and `apply` say what, where, why and what next, and touch it
not at all; once it can be used again, they go on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudwright.errors import Missing
from cloudwright.transport.host import File
from cloudwright.transport.ssh import SshAddress, connect_ssh
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"
ADDRESS = "10.77.0.11"
CHANGES = 10


@dataclass(frozen=True, slots=True)
class Bench:
    """A lab host with nothing on it, and the command line beside its `cloud.yaml`."""

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

    def on_host(self, command: str) -> str:
        argv = ["ssh", "-i", str(self.keys / "id_ed25519"), "-o", "BatchMode=yes"]
        argv += ["-o", f"UserKnownHostsFile={self.keys / 'known_hosts'}", f"root@{ADDRESS}"]
        done = subprocess.run([*argv, command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lab host for the module."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    text = EXAMPLE.read_text().replace("10.64.", "10.77.")
    bench.file.write_text(text.replace("name: aio", "name: bench"))
    remove_labs_in("10.77.0.")
    bench.run("lab", "up")
    try:
        yield bench
    finally:
        bench.run("lab", "down", "--data")


def test_a_wrong_key_is_not_let_in(bench: Bench, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    whole = bench.file.read_text()
    bench.file.write_text(f"{whole}\nssh: {{key: {json.dumps(str(stranger))}}}\n")
    try:
        bench.refused("aio does not let us in", f"where: root@{ADDRESS}:22", "authorized_keys")
    finally:
        bench.file.write_text(whole)
    bench.usable()


def test_a_changed_host_key_is_refused(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    known = bench.keys / "known_hosts"
    whole = known.read_text()
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known.write_text(f"{ADDRESS} {key}\n")
    try:
        bench.refused("the host key of aio has changed", "someone may be in between")
        known.write_text("")
        bench.refused("the host key of aio is not known", "compare it")
    finally:
        known.write_text(whole)
    bench.usable()


def test_a_host_without_an_engine_says_how_to_get_one(bench: Bench) -> None:
    bench.on_host(
        "mv /usr/bin/podman /usr/bin/podman.away; "
        "kill $(pidof podman); rm -f /run/podman/podman.sock"
    )
    try:
        bench.refused("no container engine answers", "where: aio", "apt-get install podman")
    finally:
        bench.on_host(
            "mv /usr/bin/podman.away /usr/bin/podman; "
            "until podman --remote info >/dev/null 2>&1; do sleep 0.1; done"
        )
    bench.usable()


@pytest.mark.parametrize(
    ("port", "container"), [(11211, "memcached"), (443, "haproxy"), (4369, "rabbitmq")]
)
def test_a_port_that_is_taken_is_told_with_who_has_it(
    bench: Bench, port: int, container: str
) -> None:
    bench.on_host(
        "nohup perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("
        f'LocalAddr => "{ADDRESS}", LocalPort => {port}, Listen => 1) or die $!; sleep 3600\''
        " >/dev/null 2>&1 & echo $! >/run/taken; "
        f"until ss -Hltn | grep -q '{ADDRESS}:{port} '; do sleep 0.1; done"
    )
    try:
        bench.refused(f"port {port} is taken by perl; {container} needs it", "where: aio")
    finally:
        bench.on_host("kill $(cat /run/taken)")
    bench.usable()


def test_a_host_without_space_is_told_before_anything_is_written(bench: Bench) -> None:
    bench.on_host("mount -t tmpfs -o size=8m none /etc/cloudwright")
    try:
        bench.refused("no space: 8 MiB are free below /etc/cloudwright", "make room")
    finally:
        bench.on_host("umount /etc/cloudwright")
    bench.usable()


def test_a_disk_that_fills_up_leaves_the_old_file_whole(bench: Bench) -> None:
    """What was there stays as it was, and no half of what did not fit is left beside it."""
    small = "/etc/small"
    bench.on_host(f"mkdir {small} && mount -t tmpfs -o size=64k none {small}")

    async def write() -> Missing:
        keys = bench.keys
        address = SshAddress(
            host=ADDRESS, key_file=keys / "id_ed25519", known_hosts=keys / "known_hosts"
        )
        host = await connect_ssh("aio", address)
        try:
            await host.put([File(path=f"{small}/file", content=b"old")])
            new = [File(path=f"{small}/{name}", content=b"x" * 40_000) for name in ("file", "two")]
            with pytest.raises(Missing) as caught:
                await host.put(new)
            assert await host.get(f"{small}/file") == b"old"
            return caught.value
        finally:
            await host.close()

    try:
        error = asyncio.run(write())
        assert error.what == f"no space left on the device below {small}"
        assert "make room" in error.hint
        assert error.where == "aio"
        assert bench.on_host(f"ls -A {small}") == "file\n"
    finally:
        bench.on_host(f"umount {small} && rmdir {small}")


def test_a_host_that_is_off_is_told(bench: Bench) -> None:
    bench.run("lab", "kill", "aio")
    try:
        bench.refused("aio", f"where: root@{ADDRESS}:22", "see that")
    finally:
        bench.run("lab", "boot", "aio")
    bench.usable()
