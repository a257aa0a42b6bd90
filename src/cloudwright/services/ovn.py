"""OVN turns Neutron's networks into flows: two databases, a translator, an agent per host."""

from __future__ import annotations

from cloudwright.declare.image import Image

IMAGE = Image(
    name="ovn",
    packages=("ovn-central", "ovn-host"),
    users=("openvswitch",),
    names=("ovn-nb-db-server", "ovn-sb-db-server", "ovn-northd", "ovn-controller"),
)
