"""What Open vSwitch on a host must hold, where packets leave by one host or by each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudwright.errors import HostError
from cloudwright.execute.host.switch import switch_difference
from cloudwright.model.cloud import Cloud, Ha
from cloudwright.model.facts import Facts
from cloudwright.model.load import read
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import World, make_blueprint
from cloudwright.plan.steps import SetSwitch
from cloudwright.services import SERVICES
from cloudwright.transport.local import LocalHost

TEXT = (Path(__file__).parents[2] / "examples" / "two-sites.yaml").read_text()


def cloud_with(ha: Ha) -> Cloud:
    """Two sites, whose compute hosts have a card in the external network in both cases."""
    text = TEXT.replace("[compute]", "[compute]\n    external_interface: eth3")
    return read(f"{text}\nnetwork: {{ha: {ha}}}\n".encode(), "cloud.yaml")


def switches(cloud: Cloud) -> dict[str, SetSwitch]:
    """Host → what its switch must hold."""
    facts = {
        h.name: Facts(host=h.name, cores=4, memory_bytes=16 * 1024**3, kernel_ovs=True)
        for h in cloud.hosts
    }
    steps = make_blueprint(cloud, SERVICES, World(facts=facts), Overrides()).steps.values()
    return {s.host: s.action for s in steps if isinstance(s.action, SetSwitch)}


@pytest.mark.parametrize("ha", ["central", "distributed"])
def test_who_has_a_bridge_to_the_external_network(ha: Ha) -> None:
    found = switches(cloud_with(ha))
    gateway, compute = found["ctl-a"], found["cmp-b"]
    assert gateway.bridges["br-ex"] == ("eth2",)
    assert "enable-chassis-as-gw" in gateway.external_ids["ovn-cms-options"]
    # Routers are never placed on a compute host: only its own floating IPs leave there.
    assert "ovn-cms-options" not in compute.external_ids
    mapping = compute.external_ids.get("ovn-bridge-mappings")
    assert (compute.bridges.get("br-ex"), mapping) == (
        (("eth3",), "external:br-ex") if ha == "distributed" else (None, None)
    )


HELD = {
    "Open_vSwitch": [
        {"external_ids": ["map", [["system-id", "ctl-a"]]], "other_config": ["map", []]}
    ],
    "Bridge": [
        {"name": "br-ex", "datapath_type": "", "ports": ["set", [["uuid", "1"], ["uuid", "2"]]]},
        {"name": "br-int", "datapath_type": "", "ports": ["uuid", "3"]},
    ],
    "Port": [
        {"_uuid": ["uuid", number], "name": name}
        for number, name in (("1", "br-ex"), ("2", "eth2"), ("3", "br-int"))
    ],
}
"""The rows of a database, as RFC 7047 writes them."""


def difference(path: Path, held: Mapping[str, object] | None, **wanted: object) -> str:
    """What differs between these rows and an action, the rows being read through a socket."""
    words = {"datapath_type": "", "bridges": {}, "external_ids": {}, "other_config": {}}
    action = SetSwitch(container="c", socket=str(path), **(words | wanted))  # type: ignore[arg-type]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.read(4096))
        assert (asked["method"], asked["params"][0]) == ("transact", "Open_vSwitch")
        tables = [one["table"] for one in asked["params"][1:]]
        rows = [{"rows": held[table]} for table in tables] if held else [{"error": "timed out"}]
        writer.write(json.dumps({"id": asked["id"], "result": rows, "error": None}).encode())
        writer.close()

    async def both() -> str:
        async with await asyncio.start_unix_server(answer, path):
            return await switch_difference(LocalHost("here"), action)

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"bridges": {"br-ex": ("eth2",), "br-int": ()}}, ""),
        ({"external_ids": {"system-id": "ctl-a"}}, ""),
        ({"external_ids": {"system-id": "b"}}, "external_ids:system-id is ctl-a, not b"),
        ({"other_config": {"key": "1"}}, "other_config:key is not set, not 1"),
        ({"bridges": {"br-tunnel": ()}}, "bridge br-tunnel is missing"),
        ({"bridges": {"br-int": ("eth2",)}}, "bridge br-int lacks port eth2"),
        (
            {"bridges": {"br-int": ()}, "datapath_type": "netdev"},
            "bridge br-int has datapath system",
        ),
    ],
)
def test_what_a_switch_lacks_is_said(
    wanted: Mapping[str, object], words: str, tmp_path: Path
) -> None:
    assert difference(tmp_path / "db.sock", HELD, **wanted) == words


def test_a_switch_that_does_not_answer_is_not_taken_for_right(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="timed out"):
        difference(tmp_path / "db.sock", None)
