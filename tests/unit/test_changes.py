"""What a plan says of configuration: options old → new with their origin, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import OverrideFile, Overrides, parse_ini
from cloudwright.model.secrets import Secret, fill, find_placeholders, unfill
from cloudwright.plan import masking
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.changes import Sources, changes_of
from cloudwright.plan.difference import DRIFTED, Observed, Plan, Seen, make_plan
from cloudwright.plan.explain import explain, explain_json
from cloudwright.plan.explain_changes import change_lines, restart_lines
from cloudwright.plan.impact import Restart, rereads_of, restarts_of
from cloudwright.plan.provenance import provenance
from cloudwright.plan.steps import ConfigFile, ReadAgain, RunContainer, WriteFiles
from cloudwright.services import SERVICES

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMAS = Schemas(release="2026.2")
STEP = "nova/files/nova-compute@aio"
ANOTHER_IMAGE = Seen(digest=DRIFTED, why="runs another image")
VALUES = {
    "⟦secret:nova/identity:1⟧": "Qm7pXw2LkT9vRb4nHs6dJf3gYc8zAe5u",
    "⟦secret:nova/identity:2⟧": "Zk4hBn8mWq2sVx7tRy5cLp9dGf3jEa6o",
    "⟦secret:openstack/queue:1⟧": "Ha3jKs9dLf4gZx7cVb2nMq8wEr5tYu6i",
}


def overrides(text: str, name: str = "nova.conf") -> Overrides:
    found, problems = parse_ini(text.encode(), f"config/{name}")
    assert problems == []
    return Overrides(files=(OverrideFile(path=f"config/{name}", name=name, overrides=found),))


def blueprint_of(cloud: Cloud, given: Overrides) -> Blueprint:
    facts = {h.name: Facts(host=h.name, cores=4, memory_bytes=2**34) for h in cloud.hosts}
    return make_blueprint(cloud, SERVICES, World(facts=facts), given)


def everything(blueprint: Blueprint) -> dict[str, Seen]:
    return {id: Seen(digest=step.digest) for id, step in blueprint.steps.items()}


def planned(
    given: Overrides, old: dict[str, str], example: str = "aio", step: str = STEP
) -> tuple[Plan, Blueprint, Observed]:
    """The plan where a step's directory holds `old` in place of the files of these names."""
    blueprint = blueprint_of(load(EXAMPLES / f"{example}.yaml"), given)
    seen = everything(blueprint)
    found = tuple(ConfigFile(name=name, text=text) for name, text in old.items())
    seen[step] = Seen(digest=DRIFTED, why="nova.conf differs", found=found)
    observed = Observed(seen=seen)
    return make_plan(blueprint, observed), blueprint, observed


def lines(given: Overrides, old: dict[str, str]) -> list[str]:
    plan, blueprint, observed = planned(given, old)
    sources = Sources(services=SERVICES, overrides=given, schema_of=SCHEMAS.of)
    return list(change_lines(changes_of(plan, blueprint, observed, sources)[STEP]))


def rendered(name: str, given: Overrides | None = None, step: str = STEP) -> str:
    action = blueprint_of(load(EXAMPLES / "aio.yaml"), given or Overrides()).steps[step].action
    assert isinstance(action, WriteFiles)
    return next(file.text for file in action.files if file.name == name)


def test_an_overridden_option_names_its_place() -> None:
    given = overrides("# mine\n[libvirt]\ncpu_mode = host-model\n[DEFAULT]\nresume = x\n")
    told = lines(given, {"nova.conf": rendered("nova.conf")})
    assert told == [
        "~ nova.conf [libvirt] cpu_mode = none → host-model  (config/nova.conf:3)",
        "+ nova.conf [DEFAULT] resume = not set → x  (config/nova.conf:5)",
    ]


def test_what_is_not_set_any_more_gets_the_default_of_upstream() -> None:
    old = overrides("[DEFAULT]\nrpc_response_timeout = 90\n")
    assert lines(Overrides(), {"nova.conf": rendered("nova.conf", old)}) == [
        "- nova.conf [DEFAULT] rpc_response_timeout = 90 → not set (default 60)  (default)"
    ]


def test_a_hand_edited_value_is_told_with_the_origin_of_ours() -> None:
    old = rendered("nova.conf").replace("my_ip = 10.64.0.11", "my_ip = 10.9.9.9")
    assert lines(Overrides(), {"nova.conf": old}) == [
        "~ nova.conf [DEFAULT] my_ip = 10.9.9.9 → 10.64.0.11  (host)"
    ]


@pytest.mark.parametrize(
    ("on_host", "told"),
    [
        ("⟦secret:nova/identity:2⟧", "(secret, generation 2) → (secret, generation 1)"),
        ("hunter2", "(a secret that is not ours) → (secret, generation 1)"),
    ],
)
def test_a_secret_is_told_by_its_generation(on_host: str, told: str) -> None:
    old = rendered("nova.conf").replace(
        "[placement]\nauth_type = password\nauth_url = https://10.64.0.11:5000\n"
        "username = nova\npassword = ⟦secret:nova/identity:1⟧",
        "[placement]\nauth_type = password\nauth_url = https://10.64.0.11:5000\n"
        f"username = nova\npassword = {on_host}",
    )
    assert lines(Overrides(), {"nova.conf": old}) == [
        f"~ nova.conf [placement] password = {told}  (service)"
    ]


def test_credentials_in_a_url_are_hidden_and_the_rest_is_told() -> None:
    ours = "rabbit://openstack:⟦secret:openstack/queue:1⟧@10.64.0.11:5671//"
    old = rendered("nova.conf").replace(ours, "rabbit://openstack:guessed@10.64.0.11:5673//")
    (line,) = lines(Overrides(), {"nova.conf": old})
    assert "guessed" not in line
    assert line.endswith("rabbit://openstack:(secret, generation 1)@10.64.0.11:5671//  (service)")


def test_an_operators_secret_option_is_not_shown() -> None:
    given = overrides("[key_manager]\nfixed_key = 00aa11bb\n")
    told = lines(given, {"nova.conf": rendered("nova.conf")})
    assert told == [
        "+ nova.conf [key_manager] fixed_key = not set → (secret)  (config/nova.conf:2)"
    ]


def test_a_comment_by_hand_is_told_as_a_line() -> None:
    old = rendered("nova.conf").replace("[libvirt]", "# tried on Monday\n[libvirt]")
    assert lines(Overrides(), {"nova.conf": old}) == ["  nova.conf: -# tried on Monday"]


def test_a_file_that_is_not_ours_goes() -> None:
    assert lines(Overrides(), {"notes.txt": "buy milk"}) == [
        "- notes.txt: no service has such a file"
    ]


def test_a_text_file_is_told_by_lines_without_its_secrets() -> None:
    step = "keystone/files/keystone-api@aio"
    plan, blueprint, observed = planned(
        Overrides(),
        {"admin-password": "letmein", "credential-0": "⟦secret:keystone/credential-0:7⟧"},
        step=step,
    )
    sources = Sources(services=SERVICES, overrides=Overrides(), schema_of=SCHEMAS.of)
    text = "\n".join(change_lines(changes_of(plan, blueprint, observed, sources)[step]))
    assert text == (
        "  admin-password: -(a secret that is not ours)\n"
        "  admin-password: +(secret, generation 1)\n"
        "  credential-0: -(secret, generation 7)\n"
        "  credential-0: +(secret, generation 1)"
    )


def test_equal_changes_are_told_once_and_restarts_at_the_end() -> None:
    given = overrides("[libvirt]\ncpu_mode = host-model\n")
    cloud = load(EXAMPLES / "three-controllers.yaml")
    before = blueprint_of(cloud, Overrides())
    after = blueprint_of(cloud, given)
    seen = {}
    for id, step in after.steps.items():
        old = before.steps[id]
        found = old.action.files if isinstance(old.action, WriteFiles) else ()
        seen[id] = (
            Seen(digest=step.digest)
            if old.digest == step.digest
            else Seen(digest=DRIFTED, why="differs", found=found)
        )
    observed = Observed(seen=seen)
    plan = make_plan(after, observed)
    sources = Sources(services=SERVICES, overrides=given, schema_of=SCHEMAS.of)
    changes = changes_of(plan, after, observed, sources)
    text = explain(plan, after, SERVICES, changes)
    change = "~ nova.conf [libvirt] cpu_mode = none → host-model  (config/nova.conf:2)"
    computes = [step for step in changes if "nova-compute" in step]
    assert len(computes) == 2
    assert text.count("nova.conf [libvirt] cpu_mode = not set → host-model") == 1
    assert text.count(change) == 1
    assert "      the same as files/nova-compute@cmp-1\n" in text
    assert "  nova-api         on ctl-1, ctl-2, ctl-3, in turns\n" in text
    assert text.endswith("an API's user notices: nothing")
    data = explain_json(plan, after, SERVICES, changes)
    assert data["restarts"][0]["silent"] == []
    (files,) = [s["files"] for s in data["steps"] if s["id"] == "nova/files/nova-compute@cmp-1"]
    assert files[0]["options"][0]["origin"] == "config/nova.conf:2"


def restarts(
    container: str, *, example: str = "aio", seen: Seen = ANOTHER_IMAGE, hosts: int = 9
) -> tuple[Restart, ...]:
    """What a plan restarts that finds `seen` of the container on the first so many hosts."""
    blueprint = blueprint_of(load(EXAMPLES / f"{example}.yaml"), Overrides())
    found = everything(blueprint)
    places = [
        id
        for id, step in blueprint.steps.items()
        if isinstance(step.action, RunContainer) and step.action.container == container
    ]
    found |= {id: seen for id in places[:hosts]}
    return restarts_of(make_plan(blueprint, Observed(seen=found)), blueprint, SERVICES)


def silent(container: str, example: str = "aio") -> tuple[str, ...]:
    (found,) = restarts(container, example=example)
    return found.silent


def test_who_notices_a_restart() -> None:
    assert silent("nova-compute") == ()
    assert silent("memcached") == ()
    assert silent("glance-api") == ("glance-api",)
    assert "nova-api" in silent("mariadb") and "keystone-api" in silent("mariadb")
    assert "glance-api" in silent("keystone-api")
    assert "glance-api" not in silent("rabbitmq")


@pytest.mark.parametrize("example", ["aio", "three-controllers", "two-sites", "three-sites"])
def test_every_api_is_silent_while_what_carries_the_address_is_remade(example: str) -> None:
    """Also where another controller takes the address: connections are cut, and it moves."""
    cloud = load(EXAMPLES / f"{example}.yaml")
    every = {c.name for s in SERVICES for c in s.containers if c.api and c.when(cloud)}
    assert {"keystone-api", "glance-api", "nova-novncproxy", "horizon"} <= every
    assert set(silent("haproxy", example)) == every
    if cloud.needs_virtual_address:
        assert set(silent("keepalived", example)) == every


def test_nobody_notices_what_takes_turns() -> None:
    for container in ("mariadb", "rabbitmq", "keystone-api", "nova-api"):
        assert silent(container, "three-controllers") == ()


OTHERWISE = Seen(digest=DRIFTED, why="speaks otherwise", up=False, runs=True)


def test_a_cluster_that_is_remade_at_once_is_missed() -> None:
    (found,) = restarts("mariadb", example="three-controllers", seen=OTHERWISE)
    assert found.hosts == ("ctl-1", "ctl-2", "ctl-3")
    assert found.at_once
    assert {"keystone-api", "nova-api"} <= set(found.silent)
    told = list(restart_lines([found], {}))
    assert told[1] == "  mariadb  on ctl-1, ctl-2, ctl-3, at once"
    assert told[2].startswith("an API's user notices: seconds without keystone-api")


def test_the_last_of_a_cluster_that_was_remade_is_not_missed() -> None:
    (found,) = restarts("mariadb", example="three-controllers", seen=OTHERWISE, hosts=1)
    assert (found.hosts, found.silent) == (("ctl-1",), ())


def test_what_does_not_run_is_no_restart() -> None:
    down = Seen(digest=DRIFTED, why="is exited, not running", up=False)
    assert restarts("mariadb", example="three-controllers", seen=down) == ()


def test_origins_of_what_we_set() -> None:
    cloud = load(EXAMPLES / "two-sites.yaml")
    at = blueprint_of(cloud, Overrides()).ats["cmp-a"]
    (compute,) = [c for s in SERVICES for c in s.containers if c.name == "nova-compute"]
    found = {
        (s.section, s.option): s.origin
        for s in provenance(compute, "nova.conf", at, overrides("[vnc]\nenabled = no\n"))
    }
    assert found["DEFAULT", "my_ip"] == "host"
    assert found["libvirt", "virt_type"] == "host"
    assert found["cache", "memcache_servers"] == "site"
    assert found["DEFAULT", "state_path"] == "service"
    assert found["vnc", "enabled"] == "config/nova.conf:2"


def test_unfill_undoes_fill() -> None:
    text = "a = ⟦secret:nova/identity:1⟧, b = x⟦secret:nova/identity:2⟧y"
    assert unfill(fill(text, VALUES), VALUES) == text
    assert unfill("short", {"⟦secret:a:1⟧": "short"}) == "short"


@pytest.mark.parametrize(
    ("text", "declared", "shown"),
    [
        ("export TOKEN=abc", (), "export TOKEN=(secret)"),
        ("url = mysql://u:pw@h/d", (), "url = mysql://u:(secret)@h/d"),
        ("x Ab3dEf6hIj9kLm2nOp5q y", (), "x (secret) y"),
        ("path /var/lib/cloudwright/ml2/conf", (), "path /var/lib/cloudwright/ml2/conf"),
        ("p=⟦secret:a:3⟧", (), "p=(secret, generation 3)"),
        ("p=plain", ("p=⟦secret:a:1⟧",), "p=(a secret that is not ours)"),
    ],
)
def test_lines_found_on_a_host(text: str, declared: tuple[str, ...], shown: str) -> None:
    assert masking.found_line(text, declared) == shown


def test_no_real_value_is_ever_shown() -> None:
    """A whole file as it stands on a host, with other secrets of ours than declared."""
    text = rendered("nova.conf")
    values = {
        p: f"Va1ue{n:02}OfTheSecretNumber{n:02}" for n, p in enumerate(find_placeholders(text))
    }
    known = {str(Secret(name="other")): "S0meOtherSecretThatIsKnownHere"}
    host = fill(text, values).replace(
        "virt_type = qemu", "virt_type = S0meOtherSecretThatIsKnownHere"
    )
    told = "\n".join(lines(Overrides(), {"nova.conf": unfill(host, known)}))
    assert told
    for value in (*values.values(), *known.values()):
        assert value not in told


def test_a_file_that_is_read_again_restarts_nothing() -> None:
    blueprint = blueprint_of(load(EXAMPLES / "aio.yaml"), Overrides())
    seen = everything(blueprint)
    ids = [i for i, s in blueprint.steps.items() if isinstance(s.action, ReadAgain)]
    (id,) = [i for i in ids if "haproxy" in i]
    seen[id] = Seen(digest=DRIFTED, why="its files changed since it read them")
    plan = make_plan(blueprint, Observed(seen=seen))
    assert restarts_of(plan, blueprint, SERVICES) == ()
    assert rereads_of(plan) == {"haproxy": ("aio",)}
    text = explain(plan, blueprint, SERVICES)
    assert text.endswith(
        "read their files again, without a restart:\n"
        "  haproxy  on aio\n"
        "an API's user notices: nothing"
    )
