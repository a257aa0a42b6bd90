"""The command line, used as a user does, on one cloud, and root's own eyes on its host."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

APPLY_SECONDS = 1800
WHOLE_SECONDS = 600
INSTANCE_SECONDS = 600
PAUSE_SECONDS = 0.5
"""Between two questions; what is waited for is asked, and never timed."""
HOST = "aio"
NETWORK = "10.76."
"""The tier's own, so that it runs beside a demo; in place of the example's."""
ADDRESS = f"{NETWORK}0.11"


# Root's password stands in a file of the container, and in no argument.
SQL = (
    "podman exec -i mariadb bash -c 'export MYSQL_PWD=$(sed -n "
    r'"s/^ALTER USER .root.@.%. IDENTIFIED BY .\(.*\).;/\1/p" /etc/mysql/init.sql);'
    " exec mariadb -uroot -N' <<'END'\n{}\nEND"
)
"""A command for a host that runs a SQL statement as the database's root."""


@dataclass(frozen=True, slots=True)
class Tool:
    """The cloud of one directory; `name` is how its `clouds.yaml` calls it."""

    directory: Path
    name: str = HOST

    @property
    def cloud(self) -> Path:
        return self.directory / "cloud.yaml"

    @property
    def state(self) -> Path:
        return self.directory / ".cloudwright"

    def start(
        self, *words: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.STDOUT
    ) -> subprocess.Popen[str]:
        """Begin a verb and do not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "cloudwright", *words],
            cwd=self.directory,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    def run(
        self,
        *words: str,
        status: int = 0,
        seconds: float = APPLY_SECONDS,
        stdin: str | None = None,
    ) -> str:
        """What a verb prints; fails the test when it ends otherwise than with `status`."""
        process = self.start(
            *words, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE
        )
        output, _ = process.communicate(stdin, timeout=seconds)
        assert process.returncode == status, f"{' '.join(words)}:\n{output}"
        return output

    def json(self, *words: str, status: int = 0) -> dict[str, object]:
        """What a verb prints with `--json`."""
        process = self.start(*words, "--json", stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=APPLY_SECONDS)
        assert process.returncode == status, f"{' '.join(words)}:\n{output}\n{errors}"
        answer: dict[str, object] = json.loads(output)
        return answer

    def plan(self) -> dict[str, str]:
        """Step id → why, of all that `plan` would do; empty when there is nothing to do."""
        process = self.start("plan", "--json", stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=APPLY_SECONDS)
        assert process.returncode in (0, 10), f"{output}\n{errors}"
        steps = {step["id"]: step["why"] for step in json.loads(output)["steps"]}
        assert bool(steps) == (process.returncode == 10)
        return steps

    def containers(self) -> dict[str, dict[str, str]]:
        """Name → what `status --json` says of each container."""
        status = json.loads(self.start("status", "--json").communicate(timeout=120)[0])
        return {c["container"]: c for c in status["containers"]}

    def ill(self) -> list[str]:
        """Containers that are not running and healthy, with what is wrong."""
        return [
            f"{name} is {c['state']}, {c['health']} {c['wrong']}"
            for name, c in self.containers().items()
            if c["state"] != "running" or c["health"] != "healthy" or c["wrong"]
        ]

    def await_whole(self, seconds: float = WHOLE_SECONDS) -> float:
        """Wait until every container is well and nothing differs; returns after how long."""
        began = time.monotonic()
        while wrong := self.ill():
            assert time.monotonic() - began < seconds, wrong
            time.sleep(PAUSE_SECONDS)
        return time.monotonic() - began

    def on_host(self, command: str, *, check: bool = True) -> str:
        """What a command prints on the only lab host."""
        return self.at(ADDRESS, command, check=check)

    def at(self, address: str, command: str, *, check: bool = True) -> str:
        """What a command prints on a lab host, over SSH with the lab's key."""
        lab = self.state / "lab"
        argv = ["ssh", "-i", str(lab / "id_ed25519"), "-o", "BatchMode=yes"]
        argv += ["-o", f"UserKnownHostsFile={lab / 'known_hosts'}", f"root@{address}", command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 or not check, done.stderr + done.stdout
        return done.stdout

    def starts(self) -> dict[str, str]:
        """Container → when it was started; one that was made anew or restarted shows another."""
        text = self.on_host(
            "podman ps --all --quiet | xargs --no-run-if-empty "
            "podman inspect --format '{{.Name}} {{.State.StartedAt}} {{.Id}}'"
        )
        lines = [line for line in text.splitlines() if line]
        return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}

    def qemu_processes(self) -> list[str]:
        """Process ids of instances on the host (libvirt also asks QEMU what it can do)."""
        command = "pgrep -f '^/usr/bin/qemu-system.* -name guest=' || true"
        return self.on_host(command).split()

    def openstack(self, *words: str) -> list[dict[str, str]]:
        """The answer of the `openstack` client with the `clouds.yaml` that `apply` printed."""
        answer: list[dict[str, str]] = json.loads(self.openstack_do(*words, "-f", "json"))
        return answer

    def openstack_do(self, *words: str) -> str:
        """What the `openstack` client prints."""
        client = (sys.executable, "-m", "openstackclient.shell", "--os-cloud", self.name)
        done = subprocess.run(
            [*client, *words],
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.state / "clouds.yaml")},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(slots=True)
class Instance:
    """The one that `smoke --keep` leaves. Its address is asked for once: it is reached, or not,
    whether the cloud's API answers or not."""

    cloud: Tool
    address: str = ""

    def says(self, command: str) -> str:
        """What a command prints in it; empty while it lets nobody in."""
        if not self.address:
            for row in self.cloud.openstack("floating", "ip", "list"):
                self.address = row["Floating IP Address"]
        if not self.address:
            return ""
        smoke = self.cloud.state / "smoke"
        argv = ["ssh", "-i", str(smoke / "id_ed25519"), "-o", "BatchMode=yes"]
        argv += ["-o", "ConnectTimeout=5", "-o", f"UserKnownHostsFile={smoke / 'known_hosts'}"]
        argv += [f"cloud@{self.address}", command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout.strip()


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Names whose value is another, or that are in one only."""
    return {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}


def eventually(look: Callable[[], object], *, seconds: float, what: str) -> float:
    """Wait until `look` is true; returns after how many seconds, fails with `what` it awaited."""
    began = time.monotonic()
    while not (seen := look()):
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s ({seen!r})"
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - began


def on_terminal(tool: Tool, typed: str, *words: str) -> tuple[int, str]:
    """Run a verb on a terminal of its own, type, and return its exit code and what it showed."""
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudwright", *words],
        cwd=tool.directory,
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
    )
    os.close(far)
    shown = b""
    os.write(near, typed.encode())
    try:
        while chunk := os.read(near, 4096):
            shown += chunk
    except OSError:  # Linux's word for a terminal that nobody holds any more
        pass
    finally:
        os.close(near)
    return process.wait(60), shown.decode(errors="replace")
