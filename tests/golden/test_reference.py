"""The reference pages are what the verbs' own help and the errors in the source say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reference_is_up_to_date() -> None:
    # In a process of its own: click keeps the help option of the first context that asked for it.
    script = (
        "import runpy; t = runpy.run_path('tools/reference.py'); "
        "old = [p.name for p, text in t['pages']().items() if p.read_text() != text]; "
        "assert not old, f'`make reference` writes anew {old}'"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
