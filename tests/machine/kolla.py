"""A host that a deployer by the Kolla image contract would have: its network, volumes and folders.

What is done here is what such a deployer does with any image: no word of Cloudwright's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.images.recipe import PREFIX, reference

RELEASE = "2026.2"
CONFIG = "/var/lib/kolla/config_files"


def image(name: str) -> str:
    """The image under test: this machine's own, or those of another prefix in the environment."""
    return reference(name, RELEASE, os.environ.get("CLOUDWRIGHT_TEST_PREFIX", PREFIX))


def podman(*words: str, code: int | None = 0, stdin: str = "") -> str:
    """What podman said; `code` is the status that it must end with, None for any."""
    done = subprocess.run(
        ["podman", *words],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Podman 5 would say at each call that the first version of cgroups is old.
        env={**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "true"},
        text=True,
        check=False,
        timeout=600,
    )
    assert code is None or done.returncode == code, done.stdout
    return done.stdout


def config(
    command: str, *files: tuple[str, str, str, str], service: str = "", **more: object
) -> dict[str, object]:
    """A `config.json` as deployers write it; files are (source, dest, owner, perm)."""
    owner = files[0][2] if files else "root"
    return {
        "command": command,
        "config_files": [
            {"source": f"{CONFIG}/{source}", "dest": dest, "owner": who, "perm": perm}
            for source, dest, who, perm in files
        ],
        "directories": [
            {"path": "/var/log/kolla", "owner": "fluentd:kolla", "perm": "2775"},
            {"path": f"/var/log/kolla/{service}", "owner": f"{owner}:kolla", "perm": "2775"},
        ],
        "permissions": [
            {"path": f"/var/log/kolla/{service}/*.log", "owner": f"{owner}:kolla", "perm": "0664"}
        ],
        **more,
    }


@dataclass(kw_only=True)
class Deployer:
    """One such host; its network is a namespace of its own, so that every port is free."""

    folder: Path
    mark: str = field(default_factory=lambda: f"cwk-{uuid.uuid4().hex[:8]}")
    started: list[str] = field(default_factory=list)

    def __enter__(self) -> Deployer:
        subprocess.run(["ip", "netns", "add", self.mark], check=True)
        subprocess.run(["ip", "-n", self.mark, "link", "set", "lo", "up"], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.started:
            podman("rm", "--force", "--time=0", *self.started, code=None)
        volumes = podman("volume", "ls", "--quiet", f"--filter=name={self.mark}-").split()
        if volumes:
            podman("volume", "rm", "--force", *volumes, code=None)
        subprocess.run(["ip", "netns", "delete", self.mark], check=False)

    def lay_out(self, key: str, whole: Mapping[str, object], files: Mapping[str, str]) -> None:
        """Write `/etc/kolla/KEY`: files of root alone, as the contract's deployers leave them."""
        folder = self.folder / key
        folder.mkdir(exist_ok=True)
        for name, text in {**files, "config.json": json.dumps(whole)}.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o660)
        folder.chmod(0o770)

    def options(
        self, key: str, volumes: Mapping[str, str], environment: Mapping[str, str]
    ) -> Iterable[str]:
        """podman's options for a container of the service `key`."""
        every = {"kolla_logs": "/var/log/kolla/", **volumes}
        words = {
            "KOLLA_CONFIG_STRATEGY": "COPY_ALWAYS",
            "KOLLA_SERVICE_NAME": key,
            **environment,
        }
        yield f"--network=ns:/run/netns/{self.mark}"
        yield f"--volume={self.folder / key}:{CONFIG}/:ro"
        yield from (f"--volume={self.mark}-{name}:{path}" for name, path in every.items())
        yield from (f"--env={name}={value}" for name, value in words.items())
        yield "--cap-add=AUDIT_WRITE"

    def once(
        self,
        key: str,
        name: str,
        *more: str,
        volumes: Mapping[str, str] | None = None,
        code: int = 0,
        **environment: str,
    ) -> str:
        """A container that does one thing and ends, as `bootstrap_KEY` does."""
        options = self.options(key, volumes or {}, environment)
        return podman("run", "--rm", *options, *more, image(name), code=code)

    def start(
        self,
        key: str,
        name: str,
        *more: str,
        volumes: Mapping[str, str] | None = None,
        **environment: str,
    ) -> str:
        """A container that stays; returns its name."""
        container = f"{self.mark}-{key}-{len(self.started)}"
        options = self.options(key, volumes or {}, environment)
        self.started.append(container)
        podman("run", "--detach", f"--name={container}", *options, *more, image(name))
        return container

    def exec(self, container: str, *words: str, code: int | None = 0, user: str = "") -> str:
        """Run a command in a container."""
        who = (f"--user={user}",) if user else ()
        return podman("exec", *who, container, *words, code=code)

    def wait(self, container: str, *check: str) -> None:
        """Return once the check, run inside, says that the container is healthy."""
        script = 'for i in $(seq 600); do "$@" >/tmp/said 2>&1 && exit 0; sleep 0.1; done; exit 1'
        done = subprocess.run(
            ["podman", "exec", container, "bash", "-c", script, "wait", *check], check=False
        )
        if done.returncode:
            said = podman("exec", container, "cat", "/tmp/said", code=None)
            raise AssertionError(said + podman("logs", container, code=None))
