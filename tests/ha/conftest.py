"""One real cloud over two sites and a witness for the whole tier, through the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.tool import Tool
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-sites.yaml"
NETWORK = "10.74."
"""The tier's own, in place of the example's."""


@pytest.fixture(scope="session")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """`examples/two-sites.yaml` applied to five empty lab hosts; for who works on these tests, in
    a directory of his own, where it stays."""
    kept = os.environ.get("CLOUDWRIGHT_TEST_TWO_SITES")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("two-sites")
    directory.mkdir(parents=True, exist_ok=True)
    tool = Tool(directory, name="two-sites")
    tool.cloud.write_text(EXAMPLE.read_text().replace("10.66.", NETWORK))
    disk: tuple[str, ...] = ()
    if not tool.state.exists():
        remove_labs_in(f"{NETWORK}0.")
        disk = ("--disk", "16")  # GiB; so that one host's can be filled
    tool.run("doctor", "--fix")
    tool.run("images", "build")
    try:
        tool.run("lab", "up", *disk)
        tool.run("apply", "--yes")
        yield tool
    finally:
        if not kept:
            tool.run("lab", "down", "--data")


@pytest.fixture
def booted(two_sites: Tool) -> Iterator[Tool]:
    """The cloud, all of whose hosts have power again afterwards, whatever happens."""
    yield two_sites
    two_sites.run("lab", "boot", "site:a", "site:w")
