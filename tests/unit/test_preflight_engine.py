"""An engine's quirks on a host: found by starting a container, told in one row with the cure."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudwright.engine.api import EngineInfo
from cloudwright.execute.look import engine
from cloudwright.execute.look.docker import judge_start, judge_store
from cloudwright.execute.look.engine import SETTINGS, find_start, find_store, settings_for
from cloudwright.execute.look.preflight import HostFinding, check_engine
from cloudwright.model.cloud import Host
from cloudwright.model.facts import Facts
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

HOST = Host(name="b", address="192.0.2.1", site="s", roles=("control",))
FACTS = Facts(host="b", engine_version="4.3.1")
ORDINARY = {"cgroup": "2", "systemd": "yes", "files": "1048576", "processes": "unlimited"}
OVERLAY = "overlay /var/lib/containers/storage\next2/ext3\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A host as its shell tells of it; `refuses` is in the options of containers that fail."""

    facts: dict[str, str]
    refuses: str = "nothing"
    store: str = OVERLAY
    podman: bool = True

    def answer(self, command: str, stdin: bytes) -> Completed:
        if "podman run" in command:
            options = command.partition(";")[0].removeprefix("set -- ")
            failed = self.refuses in options
            return Completed(status=126 * failed, stdout="", stderr="OCI error\n" * failed)
        if "cgroup=2" in command:
            said = "".join(f"{name}={value}\n" for name, value in self.facts.items())
            return Completed(status=0, stdout=said)
        if "podman info" in command:
            return Completed(status=0 if self.podman else 127, stdout=self.store)
        if "command -v podman" in command:
            return Completed(status=0 if self.podman else 1, stdout="")
        raise AssertionError(command)


def rows(machine: Machine, facts: Facts = FACTS) -> dict[str, HostFinding]:
    """What `check --hosts` says of the machine's engine, by subject."""
    host = FakeHost("b", answer=machine.answer)

    async def look() -> list[HostFinding]:
        return list(check_engine(HOST, facts, await find_start(host), await find_store(host)))

    return {found.subject: found for found in asyncio.run(look())}


def test_an_engine_without_a_quirk_is_told_with_its_version_and_its_store() -> None:
    found = rows(Machine(facts=ORDINARY))
    assert {subject: (f.severity, f.text, f.hint) for subject, f in found.items()} == {
        "engine": ("ok", "podman 4.3.1; Podman starts containers", ""),
        "storage": ("ok", "overlay on ext2/ext3, /var/lib/containers/storage", ""),
    }


@pytest.mark.parametrize("refuses", ["", "--privileged"])
@pytest.mark.parametrize(
    ("changed", "said", "told"),
    [
        ({"cgroup": "1"}, "control groups are version 1", 'runtime = "runc"'),
        ({"systemd": "no"}, "systemd does not run", 'cgroup_manager = "cgroupfs"'),
        ({"files": "20000"}, "may open 20000 files", "nofile=20000:20000"),
    ],
)
def test_an_engine_that_starts_nothing_is_told_with_why_and_a_cure_for_the_shell(
    refuses: str, changed: dict[str, str], said: str, told: str, tmp_path: Path
) -> None:
    facts = {**ORDINARY, **changed}
    found = rows(Machine(facts=facts, refuses=refuses))["engine"]
    assert found.severity == "error"
    assert found.text.startswith("podman 4.3.1; Podman cannot start a container; ")
    assert said in found.text and found.text.endswith("OCI error")
    command = found.hint.removeprefix("on the host: ")
    assert "\n" not in command and SETTINGS in command
    file = tmp_path / "containers.conf.d" / "cloudwright.conf"
    subprocess.run(["sh", "-c", command.replace(SETTINGS, str(file))], check=True)
    assert file.read_text() == settings_for(facts)
    assert told in file.read_text()


def test_a_quirk_that_stands_in_no_way_is_not_told() -> None:
    """Whoever has told Podman already has its cure, and old control groups all the same."""
    [one, other] = rows(Machine(facts={**ORDINARY, "cgroup": "1", "files": "20000"})).values()
    assert (one.severity, other.severity) == ("ok", "ok")


@pytest.mark.parametrize(
    ("store", "severity", "text", "hint"),
    [
        ("vfs /srv\next2/ext3\n", "warning", "the driver vfs", 'driver = "overlay"'),
        ("overlay /srv\noverlayfs\n", "error", "/srv lies on an overlay", "mount a volume"),
    ],
)
def test_a_store_that_is_slow_or_does_not_work_is_told(
    store: str, severity: str, text: str, hint: str
) -> None:
    found = rows(Machine(facts=ORDINARY, store=store))["storage"]
    assert found.severity == severity
    assert text in found.text and hint in found.hint


DOCKER = Facts(host="b", engine="docker", engine_version="20.10")


def docker_rows(info: EngineInfo) -> dict[str, HostFinding]:
    """What `check --hosts` says of a Docker that was set up so, by subject."""
    found = check_engine(HOST, DOCKER, judge_start(info), judge_store(info))
    return {row.subject: row for row in found}


def test_of_docker_as_it_is_shipped_there_is_its_version_and_its_store() -> None:
    found = docker_rows(EngineInfo(driver="overlay2", root="/d", security=("apparmor", "seccomp")))
    assert {subject: (f.severity, f.text, f.hint) for subject, f in found.items()} == {
        "engine": ("ok", "docker 20.10", ""),
        "storage": ("ok", "overlay2, /d", ""),
    }


@pytest.mark.parametrize(
    ("driver", "security", "subject", "severity", "text", "hint"),
    [
        ("vfs", (), "storage", "warning", "the driver vfs", '"storage-driver": "overlay2"'),
        ("overlay2", ("rootless",), "engine", "error", "without root", "as root"),
        ("overlay2", ("userns",), "engine", "error", "users of their own", '"userns-remap"'),
    ],
)
def test_a_docker_that_was_set_up_otherwise_is_told_with_why_and_a_cure(
    driver: str, security: tuple[str, ...], subject: str, severity: str, text: str, hint: str
) -> None:
    found = docker_rows(EngineInfo(driver=driver, root="/d", security=security))
    assert {f.severity for name, f in found.items() if name != subject} == {"ok"}
    assert found[subject].severity == severity
    assert text in found[subject].text and hint in found[subject].hint


def test_a_container_to_try_with_is_started_as_ours_are_and_leaves_nothing() -> None:
    host = FakeHost("b", answer=Machine(facts=ORDINARY).answer)
    asyncio.run(find_start(host))
    tries = [command for command in host.commands if "podman run" in command]
    assert [command.partition(";")[0] for command in tries] == ["set --", "set -- --privileged"]
    assert all("--rm" in command for command in tries)
    assert engine.SETTINGS not in "".join(host.commands)  # nothing is built on a host
