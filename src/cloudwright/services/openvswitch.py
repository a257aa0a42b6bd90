"""Open vSwitch switches the packets of instances on every host that has some to switch."""

from __future__ import annotations

from cloudwright.declare.image import Image

IMAGE = Image(
    name="openvswitch",
    packages=("openvswitch-switch",),
    users=("openvswitch",),
    names=("openvswitch-db-server", "openvswitch-vswitchd"),
)
