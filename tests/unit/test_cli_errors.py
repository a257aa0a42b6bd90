"""What a person reads when something went wrong, and with which code we exit."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloudwright.cli.main import BUG, VERBS, error_text, run
from cloudwright.errors import (
    CommandFailed,
    InvalidCloud,
    Problem,
    StepFailed,
    of_this_machine,
)
from cloudwright.lab.keys import make_keys
from cloudwright.lab.spec import spec_of
from cloudwright.model.load import load

AIO = Path(__file__).parents[2] / "examples" / "aio.yaml"


def test_all_parts_of_an_error_have_their_line() -> None:
    error = StepFailed(
        "glance-api did not become healthy within 180 s: answers 503",
        where="glance/glance-api@ctl-1",
        why="one\ntwo",
        hint="`cloudwright logs glance-api` shows all",
    )
    assert error_text(error) == (
        "error: glance-api did not become healthy within 180 s: answers 503\n"
        "  where: glance/glance-api@ctl-1\n"
        "  why:\n"
        "    one\n"
        "    two\n"
        "  hint: `cloudwright logs glance-api` shows all"
    )


def test_only_the_last_twenty_lines_of_output_are_shown() -> None:
    output = "\n".join(f"line {n}" for n in range(100))
    text = error_text(CommandFailed("false", 1, output, where="ctl-1"))
    assert "line 79" not in text
    assert "    line 80\n" in text
    assert text.endswith("line 99")
    assert text.startswith("error: `false` ended with 1\n  where: ctl-1\n")


def test_a_page_in_one_line_is_cut() -> None:
    text = error_text(CommandFailed("false", 1, "x" * 5000))
    assert len(text.splitlines()[1]) < 260
    assert text.endswith("x…")


def test_every_problem_of_a_cloud_is_told_with_its_place() -> None:
    problems = (
        Problem(file="cloud.yaml", line=7, column=3, text="unknown key `adress`", hint="address?"),
        Problem(file="cloud.yaml", line=2, column=1, text="no name"),
    )
    assert error_text(InvalidCloud(problems)) == (
        "cloud.yaml:2:1: no name\n"
        "cloud.yaml:7:3: unknown key `adress`\n"
        "  hint: address?\n"
        "error: 2 problems in the cloud's description; nothing was touched"
    )


def test_a_cloud_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "/nowhere/cloud.yaml"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("/nowhere/cloud.yaml: no such file or directory\n")
    assert "hint: `cloudwright init` writes one" in told


def test_a_misspelt_verb_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["aply"]) == 2
    assert "did you mean apply?" in capsys.readouterr().err


def test_a_bug_of_ours_says_that_it_is_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERBS, "plan", ("cloudwright.cli.no_such_module:plan", ""))
    assert run(["plan"]) == BUG
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert "this is a bug in cloudwright, not something that you did" in told


def test_a_folder_that_is_not_there_is_no_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "a=10.0.0.1", "-o", str(tmp_path / "none" / "x.yaml")]) == 4
    told = capsys.readouterr().err
    assert told == (
        "error: cannot read or write on this machine\n"
        f"  where: {tmp_path / 'none'}\n"
        "  why: no such folder\n"
        "  hint: make what is missing, or name another place\n"
    )


def test_a_disk_that_takes_nothing_leaves_no_half_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cloud.yaml"
    with no_room():
        assert run(["init", "a=10.0.0.1", "-o", str(file)]) == 4
    assert list(tmp_path.iterdir()) == []
    assert f"  where: {file}\n  why: file too large\n" in capsys.readouterr().err
    assert run(["init", "a=10.0.0.1", "-o", str(file)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["cloud.yaml"]


def test_the_file_that_was_asked_for_is_named_and_no_draft_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["init", "a=10.0.0.1", "-o", "/proc/cloud.yaml"]) == 4
    assert "  where: /proc/cloud.yaml\n" in capsys.readouterr().err


def test_a_link_to_nowhere_is_there_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cloud.yaml"
    file.symlink_to(tmp_path / "nowhere")
    assert run(["init", "a=10.0.0.1", "-o", str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cloud.yaml"]


def test_a_file_where_our_folder_must_be_is_no_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cloud.yaml").write_text(AIO.read_text())
    (tmp_path / ".cloudwright").write_text("")
    assert run(["lab", "down", str(tmp_path / "cloud.yaml")]) == 4
    told = capsys.readouterr().err
    assert f"  where: {tmp_path / '.cloudwright'}" in told
    assert "  hint: a file stands where a folder must be; move it away\n" in told


def test_who_reads_us_may_have_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    program = [sys.executable, "-m", "cloudwright", "check", str(AIO)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4
    assert "why: no space left on device" in done.stderr


def test_a_connection_that_was_lost_is_none_of_this_machine() -> None:
    assert of_this_machine(ConnectionResetError(errno.ECONNRESET, "reset by peer")) is None


def test_keys_of_a_lab_are_whole_or_not_there(tmp_path: Path) -> None:
    spec = spec_of(load(AIO), tmp_path / "cloud.yaml")
    with no_room(), pytest.raises(OSError) as caught:
        make_keys(spec)
    assert caught.value.filename == str(spec.directory / "id_ed25519.pub")
    assert list(spec.directory.iterdir()) == []


@contextmanager
def no_room() -> Iterator[None]:
    """This process can make files, and write nothing into them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
