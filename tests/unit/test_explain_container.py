"""`explain CONTAINER` without a host: values, origins, help, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudwright.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


def cloud(folder: Path, example: str = "aio", **overrides: str) -> str:
    path = folder / "cloud.yaml"
    path.write_text((EXAMPLES / f"{example}.yaml").read_text())
    for name, text in overrides.items():
        (folder / "config").mkdir(exist_ok=True)
        (folder / "config" / f"{name}.conf").write_text(text)
    return str(path)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["explain", "--offline", *words]) == 0
    return capsys.readouterr().out


def test_every_option_that_is_set_with_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cloud(tmp_path, nova="# a comment\n[libvirt]\ncpu_mode = host-model\n")
    text = explain(capsys, "nova-compute", "-c", path)
    assert "nova-compute on aio\n" in text
    assert "    cpu_mode = host-model  (config/nova.conf:3)\n" in text
    assert "        Is used to set the CPU mode an instance should have.\n" in text
    assert "    my_ip = 10.64.0.11  (host)\n" in text
    assert "    state_path = /var/lib/nova  (service)\n" in text
    assert "    password = (secret nova/identity, generation 1)  (service)\n" in text
    assert "(default)" not in text and "⟦" not in text


def test_one_option_with_the_whole_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cloud(tmp_path)
    text = explain(capsys, "nova-compute", "libvirt.cpu_mode", "-c", path)
    assert text.startswith("nova.conf [libvirt] cpu_mode = none\norigin:   host\n")
    assert "one of host-model, host-passthrough, custom, none" in text
    assert "Related options:" in text
    default = explain(capsys, "nova-compute", "rpc_response_timeout", "-c", path)
    assert default.startswith("nova.conf [DEFAULT] rpc_response_timeout = 60\norigin:   default\n")


def test_whether_a_running_process_takes_a_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Upstream calls `debug` mutable everywhere; nova-compute ends at the signal all the same."""
    path = cloud(tmp_path)
    debug = {
        name: explain(capsys, name, "debug", "-c", path)
        for name in ("nova-conductor", "nova-compute")
    }
    assert "\na change: is taken at SIGHUP\n" in debug["nova-conductor"]
    assert "\na change: needs a restart\n" in debug["nova-compute"]
    other = explain(capsys, "nova-conductor", "rpc_response_timeout", "-c", path)
    assert "\na change: needs a restart\n" in other


def test_all_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cloud(tmp_path, "two-sites")
    data = json.loads(
        explain(capsys, "glance-api", "--host", "ctl-b", "--all", "--json", "-c", path)
    )
    assert (data["container"], data["host"]) == ("glance-api", "ctl-b")
    assert "ctl-a" in data["others"]
    found = {(o["file"], o["section"], o["option"]): o for o in data["options"]}
    assert len(found) == len(data["options"]) > 300
    limit = found["glance-api.conf", "DEFAULT", "api_limit_max"]
    assert (limit["origin"], limit["value"], limit["type"]) == (
        "default",
        "1000",
        "integer; 1 or more",
    )
    disabled = found["glance-api.conf", "DEFAULT", "disabled_notifications"]
    assert (disabled["origin"], disabled["value"]) == ("default", None)
    caches = found["glance-api.conf", "keystone_authtoken", "memcached_servers"]
    assert caches["origin"] == "site" and caches["help"]
    # uWSGI's options are nobody's whom we know.
    assert found["uwsgi.ini", "uwsgi", "master"]["help"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nova-comput"], "did you mean nova-compute?"),
        (["nova-compute", "cpu_mod"], "did you mean cpu_mode?"),
        (["nova-compute", "--host", "nowhere"], "it runs on aio"),
    ],
)
def test_what_is_not_there(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "--offline", *words, "-c", cloud(tmp_path)]) == 4
    assert said in capsys.readouterr().err


def test_a_wrong_override_is_refused_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cloud(tmp_path, nova="[libvirt]\ncpu_mod = x\n")
    for verb in (["check", path], ["plan", path], ["apply", "--yes", path]):
        assert run(verb) == 2
        assert 'config/nova.conf:2:1: unknown option "cpu_mod"' in capsys.readouterr().err


def test_check_warns_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cloud(tmp_path, nova="[glance]\napi_servers = https://10.0.0.1:9292\n")
    assert run(["check", path]) == 0
    said = capsys.readouterr()
    assert 'config/nova.conf:2:1: warning: "api_servers" is deprecated since 21.0.0' in said.err
    assert "well formed" in said.out
