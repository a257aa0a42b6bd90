"""`doctor --fix` on a machine in memory: all is cured in two rounds, or said to be ill still."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from cloudwright.errors import CommandFailed
from cloudwright.execute.doctor import Finding, cure, diagnose
from cloudwright.execute.doctor.finding import install_command
from cloudwright.execute.doctor.machine import GIB, PACKAGES
from cloudwright.execute.look.engine import SETTINGS
from cloudwright.execute.pieces import PieceBegan, PieceEvent
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

INOTIFY = "/etc/sysctl.d/60-cloudwright.conf"


@dataclass(kw_only=True, slots=True)
class Machine:
    """Debian 13 in a container: crun starts nothing on its old control groups.

    What is done to it shows: packages and files. `helps` is False where Podman starts
    nothing whatever it is told, `mirror` where no package can be had.
    """

    packages: set[str]
    helps: bool = True
    mirror: bool = True
    watches: int = 128
    host: FakeHost = field(init=False)

    def __post_init__(self) -> None:
        self.host = FakeHost("here", answer=self.answer)

    def answer(self, command: str, stdin: bytes) -> Completed:
        status, said = self._said(command)
        return Completed(status=status, stdout=said)

    def _said(self, command: str) -> tuple[int, str]:
        podman = "podman" in self.packages
        match command:
            case _ if command == install_command(tuple(PACKAGES.keys() - self.packages)):
                self.packages |= PACKAGES.keys() if self.mirror else set()
                return 100 * (not self.mirror), "" if self.mirror else "Unable to fetch\n"
            case _ if command == f"sysctl --quiet --load={INOTIFY}":
                assert b"max_user_instances = 1024" in self.host.files[INOTIFY].content
                self.watches = 1024
                return 0, ""
            case _ if command == f"test -e {SETTINGS}":
                return int(not self.host.exists(SETTINGS)), ""
            case "command -v podman":
                return int(not podman), ""
            case _ if "podman run --rm" in command:
                told = self.host.files.get(SETTINGS)
                works = self.helps and told is not None and b'"runc"' in told.content
                return (0, "") if podman and works else (126, "crun: unknown version\n")
            case _ if "podman info" in command:
                return (0, "overlay /srv\next2/ext3\n") if podman else (127, "")
            case _:
                return 0, self._facts(command)

    def _facts(self, command: str) -> str:
        """What is asked of the machine itself, by a word of the question."""
        installed = "".join(f"{name} installed\n" for name in sorted(self.packages))
        said = {
            "/etc/os-release": "debian 13\nx86_64\n0\n",
            "dpkg-query": installed,
            "/proc/meminfo": f"{16 * GIB // 1024}\n4\n{40 * GIB}\nmax\n",
            "max_user_instances": f"\n{self.watches}\n",
            "bridge-nf-call-iptables": "",
            "[ -c /dev/kvm ]": "",
            "[ -c /dev/net/tun ]": "",
            ".bashrc": "",
            "apt-config": "---\nhttp://mirror.example.org/debian trixie main\n",
            "/usr/local/share/ca-certificates": "0\n",
            "cgroup=2": "cgroup=1\nsystemd=no\nfiles=1048576\nprocesses=unlimited\n",
        }
        return next(text for word, text in said.items() if word in command)


def doctored(machine: Machine) -> tuple[list[str], tuple[Finding, ...], list[str]]:
    """The names of what was ill, what is found after the cure, and what was told meanwhile."""
    told: list[PieceEvent] = []

    async def story() -> tuple[list[str], tuple[Finding, ...]]:
        before = await diagnose(machine.host)
        ill = [finding.name for finding in before if not finding.is_well]
        return ill, await cure(machine.host, before, told.append)

    ill, after = asyncio.run(story())
    return ill, after, [event.name for event in told if isinstance(event, PieceBegan)]


def test_what_shows_once_packages_are_there_is_cured_in_a_second_round() -> None:
    machine = Machine(packages=set(PACKAGES) - {"podman", "runc"})
    ill, after, told = doctored(machine)
    assert ill == ["packages", "inotify"]  # without Podman nothing can be said of it
    assert told == [
        "installing podman, runc",
        f"writing {INOTIFY}",
        f"running sysctl --quiet --load={INOTIFY}",
        f"writing {SETTINGS}",
    ]
    assert [str(finding) for finding in after if not finding.is_well] == []
    again, _, told = doctored(machine)
    assert (again, told) == ([], [])


def test_one_round_is_enough_where_no_package_is_missing() -> None:
    machine = Machine(packages=set(PACKAGES), watches=1024)
    ill, after, told = doctored(machine)
    assert ill == ["engine"]
    assert told == [f"writing {SETTINGS}"]
    assert all(finding.is_well for finding in after)
    looks = sum("/etc/os-release" in command for command in machine.host.commands)
    assert looks == 2


def test_a_cure_that_does_not_help_is_said_so() -> None:
    ill, after, _ = doctored(Machine(packages=set(PACKAGES) - {"podman"}, helps=False))
    assert ill == ["packages", "inotify"]
    [engine] = [finding for finding in after if not finding.is_well]
    assert (engine.name, engine.is_error, engine.tried) == ("engine", True, True)
    said = str(engine)
    assert "Podman cannot start a container" in said
    assert "crun: unknown version" in said
    assert said.endswith("    that was done, and did not help")
    assert "doctor --fix" not in said.splitlines()[-1]


def test_what_was_not_tried_is_still_offered() -> None:
    [engine] = [
        finding
        for finding in asyncio.run(diagnose(Machine(packages=set(PACKAGES)).host))
        if finding.name == "engine"
    ]
    assert not engine.tried
    assert str(engine).endswith("    `cloudwright doctor --fix` does that")


def test_a_package_that_cannot_be_had_ends_it_with_the_reason() -> None:
    machine = Machine(packages=set(PACKAGES) - {"podman"}, mirror=False)
    with pytest.raises(CommandFailed) as caught:
        doctored(machine)
    assert "Unable to fetch" in str(caught.value)
    assert "apt-get update" in caught.value.hint
    assert machine.host.files == {}
