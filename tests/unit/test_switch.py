"""What Open vSwitch on a host must hold, where packets leave by one host or by each."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudwright.model.cloud import Cloud, Ha
from cloudwright.model.facts import Facts
from cloudwright.model.load import read
from cloudwright.model.overrides import Overrides
from cloudwright.plan.blueprint import World, make_blueprint
from cloudwright.plan.steps import SetSwitch
from cloudwright.services import SERVICES

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
