"""What a person reads when something went wrong, and with which code we exit."""

from __future__ import annotations

import pytest

from cloudwright.cli.main import BUG, VERBS, error_text, run
from cloudwright.errors import CommandFailed, InvalidCloud, Problem, StepFailed


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
