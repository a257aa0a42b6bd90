"""Two operators at two machines, one cloud whose three hosts keep its lock: one has it alone."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloud.tool import eventually
from tests.machine.bench import NAME, Bench, bench_in, three_controllers

ALICE, BOB = "alice", "bob"
SECONDS = 120

ROOT = "/var/lib/containers/slow"
MAKE = f"""set -e
for file in /usr/bin/sleep $(ldd /usr/bin/sleep | grep -o '/[^ )]*'); do
  mkdir -p {ROOT}$(dirname $file); cp -L $file {ROOT}$file
done
mkdir {ROOT}/proc {ROOT}/sys {ROOT}/dev {ROOT}/etc {ROOT}/run {ROOT}/tmp
podman create --name slow --label cloudwright.cloud={NAME} --network=none --stop-timeout=3600 \
  --rootfs {ROOT} /usr/bin/sleep infinity
"""
"""A container of the cloud that is deaf to the signal by which one is stopped: `stop` waits for
it, and has the lock, until it is killed."""
LET_GO = "podman kill --signal KILL slow"
EVERYTHING = (
    "podman ps --all --format '{{.Names}} {{.ID}} {{.StartedAt}}'; "
    "find /var/lib/cloudwright /etc/cloudwright -type f -exec sha256sum {} + | sort"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """`stop`, begun at a machine that is called as its operator."""

    operator: str
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def end(self, *, status: int) -> str:
        """What it said, to its end; fails the test when it ends otherwise than with `status`."""
        assert self.process.wait(SECONDS) == status, self.output.read_text()
        return self.output.read_text()

    def has_the_cloud(self, said: str) -> bool:
        """Whether this is the run that somebody was told of."""
        holder = f"@{self.operator}, process {self.process.pid}, since "
        return holder in said and f": stop ({self.operator})\n" in said


@dataclass(frozen=True, kw_only=True, slots=True)
class Offices:
    """The lab is alice's; bob has the same description in a directory of his own."""

    bench: Bench
    bob: Path

    def stop(self, operator: str) -> Run:
        """Begin it, and do not wait."""
        directory = self.bob if operator == BOB else self.bench.directory
        verb = shlex.join([sys.executable, "-m", "cloudwright", "stop", "--reason", operator])
        output = directory / "said"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["unshare", "--uts", "sh", "-c", f"hostname {operator} && exec {verb}"],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return Run(operator=operator, process=process, output=output)

    @contextmanager
    def slow(self) -> Iterator[None]:
        """There is something to stop, which takes as long as the block."""
        self.bench.on_host("podman start slow")
        try:
            yield
        finally:
            self.bench.on_host(LET_GO)

    @contextmanager
    def without(self, *hosts: str) -> Iterator[None]:
        """These have no power meanwhile."""
        self.bench.run("lab", "kill", *hosts)
        try:
            yield
        finally:
            self.bench.run("lab", "boot", *hosts)

    def race(self) -> tuple[Run, Run]:
        """Both at once: who has the cloud, and who was refused and told of the other."""
        runs = [self.stop(operator) for operator in (ALICE, BOB)]
        eventually(lambda: any(run.ended for run in runs), seconds=SECONDS, what="a refusal")
        first, second = sorted(runs, key=lambda run: run.ended)
        assert not first.ended, first.output.read_text()
        said = second.end(status=5)
        assert "error: another run holds this cloud" in said
        assert first.has_the_cloud(said)
        return first, second


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    """Three controllers with nothing on them but a container on the first."""
    with bench_in(tmp_path_factory.mktemp(ALICE), three_controllers()) as bench:
        bob = tmp_path_factory.mktemp(BOB)
        shutil.copy(bench.file, bob)
        shutil.copytree(bench.keys, bob / bench.keys.relative_to(bench.directory))
        bench.on_host(MAKE)
        yield Offices(bench=bench, bob=bob)


def test_of_two_at_once_one_has_the_cloud_and_the_other_is_told_who(offices: Offices) -> None:
    with offices.slow():
        first, second = offices.race()
        assert first.has_the_cloud(offices.stop(second.operator).end(status=5))
        for line in offices.bench.run("lock", "status", status=5).splitlines():
            assert first.has_the_cloud(f"{line}\n"), line
        assert not first.ended
    assert "1 containers stopped" in first.end(status=0)
    assert "0 containers stopped" in offices.stop(second.operator).end(status=0)


def test_with_one_of_three_hosts_off_it_is_still_one_alone(offices: Offices) -> None:
    with offices.without("ctl-3"):
        with offices.slow():
            first, second = offices.race()
            assert not first.ended
        assert "1 containers stopped" in first.end(status=4)
        assert "0 containers stopped" in offices.stop(second.operator).end(status=4)


def test_with_two_of_three_hosts_off_nobody_has_it_and_nothing_is_touched(
    offices: Offices,
) -> None:
    bench = offices.bench
    with offices.slow():
        before = bench.on_host(EVERYTHING)
        with offices.without("ctl-2", "ctl-3"):
            for run in [offices.stop(operator) for operator in (ALICE, BOB)]:
                said = run.end(status=4)
                assert "too few of the 3 hosts that keep the cloud's lock answer" in said
                assert "ctl-2: " in said
                assert "2 must; nothing was touched" in said
            assert bench.on_host(EVERYTHING) == before
        assert bench.run("lock", "status").count(": free\n") == 3


def test_what_a_killed_run_at_another_machine_had_is_nobodys_until_it_is_broken(
    offices: Offices,
) -> None:
    bench = offices.bench
    with offices.slow():
        first, second = offices.race()
        first.process.kill()
        first.process.wait()
        assert first.has_the_cloud(offices.stop(second.operator).end(status=5))
        bench.run("lock", "break", "--yes")
    assert "containers stopped" in offices.stop(second.operator).end(status=0)
