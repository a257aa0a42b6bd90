"""One real cloud for the whole tier: a lab host, `examples/aio.yaml`, through the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.tool import INSTANCE_SECONDS, NETWORK, Instance, Tool, eventually
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"

ORDER = ("test_aio", "", "test_power", "test_destroy")
"""Modules: the first makes the cloud and looks at it as it comes, the last takes it away; all
others come where nothing is named."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order this tier's modules; everything else stays where it is, before them."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        if item.path.parent != Path(__file__).parent:
            return -1
        return ORDER.index(name if name in ORDER else "")

    items.sort(key=place)


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """A directory with `cloud.yaml`, a lab host for it, and all container images."""
    kept = os.environ.get("CLOUDWRIGHT_TEST_CLOUD")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("cloud")
    directory.mkdir(parents=True, exist_ok=True)
    text = EXAMPLE.read_text().replace("10.64.", NETWORK)
    (directory / "cloud.yaml").write_text(text)
    tool = Tool(directory)
    if not tool.state.exists():
        remove_labs_in(f"{NETWORK}0.")
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


@pytest.fixture
def instance(cloud: Tool) -> Instance:
    """The instance that `smoke --keep` leaves, made if no test before has; it answers."""
    kept = Instance(cloud)
    if not cloud.openstack("server", "list"):
        cloud.run("smoke", "--keep")
    eventually(lambda: kept.says("hostname"), seconds=INSTANCE_SECONDS, what="the instance")
    return kept


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
