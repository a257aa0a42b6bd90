"""Every verb has help, and none is imported before it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloudwright import __version__
from cloudwright.cli.main import VERBS, cloudwright, run
from cloudwright.cli.options import columns
from cloudwright.plan.sealed import FORMAT, KIND

AIO = Path(__file__).parents[2] / "examples" / "aio.yaml"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(verb: str) -> None:
    result = CliRunner().invoke(cloudwright, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: cloudwright {verb}")


def test_help_names_every_verb_and_imports_none() -> None:
    program = (
        "import sys\nfrom cloudwright.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        "heavy = {'asyncio', 'asyncssh', 'httpx', 'openstack', 'rich', 'cloudwright.services'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb, (_, text) in VERBS.items():
        assert f"  {verb} " in done.stdout
        assert text in done.stdout


def test_two_clouds_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "one.yaml", "-c", "two.yaml"]) == 2
    assert "two clouds are named" in capsys.readouterr().err


def test_init_writes_a_cloud_that_check_accepts_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cloud.yaml"
    assert run(["init", "ctl-1=10.0.0.11", "-o", str(file)]) == 0
    assert run(["check", str(file)]) == 0
    text = file.read_text()
    assert run(["init", "ctl-1=10.0.0.12", "-o", str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert file.read_text() == text


def test_check_refuses_a_release_that_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cloud.yaml"
    assert run(["init", "ctl-1=10.0.0.11", "-o", str(file)]) == 0
    file.write_text(file.read_text().replace('"2026.2"', '"2027.1"'))
    assert run(["check", str(file)]) == 2
    said = capsys.readouterr().err
    assert f'{file}:4:10: there is no release "2027.1"' in said
    assert "known: 2026.2" in said


def test_a_host_of_init_needs_a_name_and_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "ctl-1", "-o", "/nowhere/cloud.yaml"]) == 2
    assert "NAME=ADDRESS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["plan", "--only", "novaa"], 2, "there is no service 'novaa'; did you mean nova?"),
        (["plan", "--host", "zz"], 2, "there is no host 'zz'; there are aio"),
        (
            ["apply", "--yes", "--only", "novaa"],
            2,
            "there is no service 'novaa'; did you mean nova?",
        ),
        (["plan", "--out", "no/where.json"], 4, "the plan cannot be written"),
        (["plan", "--out", "folder.json"], 4, "it is a directory"),
        (["apply", "no.json"], 3, "the plan cannot be read"),
        (["apply", "folder.json"], 3, "the plan cannot be read"),
        (["apply", "cut.json"], 3, "this is not a plan"),
        (["apply", "other.json"], 3, "the plan is for another cloud\n"),
        (["apply", "older.json"], 3, "the plan is for another cloud of this name"),
    ],
)
def test_wrong_words_are_refused_before_any_host_is_asked(
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "cloud.yaml").write_text(AIO.read_text())
    (tmp_path / "cut.json").write_text("{")
    for name, cloud in (("other", "two"), ("older", "aio")):
        origin = {"version": __version__, "cloud": cloud, "identity": "of other secrets"}
        plan = {"kind": KIND, "format": FORMAT, "origin": origin}
        (tmp_path / f"{name}.json").write_text(json.dumps(plan))
    # A host that is asked is one whose list of known keys is read first.
    (tmp_path / ".cloudwright" / "lab" / "known_hosts").mkdir(parents=True)
    assert run(words) == code
    told = capsys.readouterr().err
    assert said in told
    assert "known hosts" not in told


def test_a_verb_that_no_host_lets_in_ends(tmp_path: Path) -> None:
    """Also when that shows sooner than the images of this machine, which takes a process."""
    (tmp_path / "podman").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "podman").chmod(0o755)
    (tmp_path / "cloud.yaml").write_text(AIO.read_text())
    (tmp_path / ".cloudwright" / "lab" / "known_hosts").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "cloudwright", "plan"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 4, done.stderr
    assert "known hosts" in done.stderr


def test_check_tells_all_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, config = tmp_path / "cloud.yaml", tmp_path / "config"
    file.write_text(AIO.read_text())
    config.mkdir()
    (config / "nova.conf").write_text("[DEFAULT]\nrubbish\n")
    (config / "glance.conf").write_text("[DEFAULT]\nno_such_option = 1\n")
    assert run(["check", str(file)]) == 2
    told = capsys.readouterr().err
    assert "config/nova.conf:2:1: neither [section] nor option" in told
    assert "config/glance.conf:2:1: " in told and "no_such_option" in told
    file.write_text(AIO.read_text().replace("name: aio", "name: My_Cloud"))
    assert run(["check", str(file)]) == 2
    told = capsys.readouterr().err
    assert '"My_Cloud" is no name' in told
    assert "config/nova.conf:2:1: neither [section] nor option" in told
    file.write_text("{")
    assert run(["check", str(file)]) == 2
    assert "error: 1 problem in the cloud's description" in capsys.readouterr().err


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert columns(("A", "LONG"), [("xyz", "1"), ("", "2")]) == "A    LONG\nxyz  1\n     2"


def test_what_images_begin_with_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["images", "build", "--from", "debian:13", "-c", str(tmp_path / "cloud.yaml")]
    assert run(words) == 2
    assert "images: base:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("inspect", "row"),
    [("exit 125", "nosuch - missing"), ("echo 0a1b 125829120", "nosuch 120 MiB here")],
)
def test_the_image_to_begin_with_is_listed_too(
    inspect: str,
    row: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    podman = tmp_path / "podman"
    podman.write_text(f'#!/bin/sh\n[ "$1" = image ] || {{ echo "[]"; exit; }}\n{inspect}\n')
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert run(["images", "list", "--from", "nosuch"]) == 1
    first = capsys.readouterr().out.splitlines()[1]
    assert " ".join(first.split()) == row
