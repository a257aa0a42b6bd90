"""One real cloud for the whole tier: a lab host, `examples/aio.yaml`, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"
APPLY_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Tool:
    """The command line, used as a user does, on the cloud of one directory."""

    directory: Path

    @property
    def cloud(self) -> Path:
        return self.directory / "cloud.yaml"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a verb and do not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "cloudwright", *words],
            cwd=self.directory,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *words: str, status: int = 0, seconds: float = APPLY_SECONDS) -> str:
        """What a verb prints; fails the test when it ends otherwise than with `status`."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=seconds)
        assert process.returncode == status, f"{' '.join(words)}:\n{output}"
        return output

    def json(self, *words: str, status: int = 0) -> object:
        """What a verb prints with `--json`."""
        return json.loads(self.run(*words, "--json", status=status))

    def containers(self) -> dict[str, dict[str, str]]:
        """Name → what `status --json` says of each container."""
        status = json.loads(self.start("status", "--json").communicate(timeout=60)[0])
        return {c["container"]: c for c in status["containers"]}


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """A directory with `cloud.yaml`, a lab host for it, and all container images."""
    kept = os.environ.get("CLOUDWRIGHT_TEST_CLOUD")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("cloud")
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLE, directory / "cloud.yaml")
    tool = Tool(directory)
    tool.run("doctor", "--fix")
    tool.run("images", "build", seconds=1800)
    try:
        tool.run("lab", "up")
        yield tool
    finally:
        if not kept:
            tool.run("lab", "down", "--data")


@pytest.fixture(scope="session")
def cloud(tool: Tool) -> Tool:
    """The same, with the cloud applied after a first run that was killed in the middle."""
    kill_in_the_middle(tool)
    tool.run("apply", "--yes")
    return tool


def kill_in_the_middle(tool: Tool) -> None:
    """Start an apply and `kill -9` it once its journal says that a third of the steps is done."""
    process = tool.start("apply", "--yes")
    assert process.stdout
    done = 0
    for line in process.stdout:
        done += "done" in line
        if done >= 25:
            break
    process.kill()
    process.wait(30)
