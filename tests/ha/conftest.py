"""One real cloud over two sites and a witness for the whole tier, through the command line."""

from __future__ import annotations

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
    """`examples/two-sites.yaml` applied to five empty lab hosts."""
    tool = Tool(tmp_path_factory.mktemp("two-sites"), name="two-sites")
    tool.cloud.write_text(EXAMPLE.read_text().replace("10.66.", NETWORK))
    remove_labs_in(f"{NETWORK}0.")
    tool.run("doctor", "--fix")
    tool.run("images", "build")
    try:
        tool.run("lab", "up")
        tool.run("apply", "--yes")
        yield tool
    finally:
        tool.run("lab", "down", "--data")
