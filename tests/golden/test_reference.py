"""The command line's reference page is what the verbs' own help says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reference_is_up_to_date() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "reference.py"))
    assert tool["PAGE"].read_text() == tool["page"](), "`make reference` writes it anew"
