"""A daemon of Nova's ends with its own exit code, and without taking itself apart."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

PROGRAM = """\
import atexit, logging, sys
from logging.handlers import MemoryHandler
from nova_daemon import end_at_once

atexit.register(print, "taken apart")
logging.getLogger().addHandler(MemoryHandler(9, target=logging.StreamHandler(sys.stdout)))

def daemon():
    logging.warning("the last line")
    {last}

end_at_once(daemon)
"""


def ended(last: str) -> subprocess.CompletedProcess[str]:
    """How a daemon ends whose last statement this is."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(last=last)],
        cwd=str(files("cloudwright.services.nova") / "program"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("return None", 0, ""),
        ("return 3", 3, ""),
        ("sys.exit(0)", 0, ""),
        ("sys.exit(4)", 4, ""),
        ("sys.exit('no database')", 1, "no database\n"),
    ],
)
def test_it_ends_with_its_own_code_and_every_line_of_its_log(
    last: str, code: int, said: str
) -> None:
    done = ended(last)
    assert (done.returncode, done.stdout, done.stderr) == (code, "the last line\n", said)


def test_an_error_ends_it_as_any_program() -> None:
    done = ended("raise LookupError('which cell')")
    assert done.returncode == 1
    assert done.stderr.endswith("LookupError: which cell\n")
    assert done.stdout == "taken apart\nthe last line\n"
