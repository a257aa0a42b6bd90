"""A question needs somebody to answer it; Ctrl-C is an answer too."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

import pytest

from cloudwright.cli.main import run

PROGRAM = """
import asyncio
from cloudwright.cli.asking import confirmed

async def main():
    print("yes" if confirmed("do it?") else "no", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("typed", "said", "code"), [("y\n", "yes", 0), ("\n", "no", 0), ("\x03", "Aborted", 1)]
)
def test_an_answer_on_a_terminal(typed: str, said: str, code: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: take_terminal(),
    )
    os.close(theirs)
    shown = ""
    while "do it?" not in shown:
        shown += os.read(ours, 1000).decode()
    os.write(ours, typed.encode())
    while True:
        if not select.select([ours], [], [], 0.5)[0]:
            # A signal that comes just before the read begins does not end it, in any Python
            # program. A person presses the key again, and so do we.
            if typed == "\x03":
                os.write(ours, typed.encode())
            continue
        try:
            shown += os.read(ours, 1000).decode()
        except OSError:  # how Linux says that the other end is closed
            break
    assert process.wait() == code
    assert said in shown or "click.exceptions.Abort" in shown


def take_terminal() -> None:
    """Make standard input the terminal that Ctrl-C comes from."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_nobody_to_ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(["apply", "/nowhere/cloud.yaml"]) == 2
    assert "no terminal to ask on: give --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apply", "change.json", "--only", "glance"], "says itself what is in it"),
        (["apply", "one.yaml", "two.yaml", "-y"], "two clouds are named"),
        (["apply", "one.json", "two.json"], "two plans are named"),
        (["plan", "--out", "change.plan"], "a plan's file ends in .json"),
    ],
)
def test_what_cannot_be_meant(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
