"""Neutron keeps the networks of instances; OVN makes them real."""

from __future__ import annotations

from cloudwright.declare.image import Image

IMAGE = Image(
    name="neutron",
    parent="openstack-base",
    projects=("neutron",),
    packages=("haproxy", "iproute2", "iptables"),
    users=("neutron",),
    user="neutron",
    run=(
        "mkdir -p /etc/neutron && cp -a /var/lib/kolla/venv/etc/neutron/. /etc/neutron/",
        "sed -i 's|^exec_dirs=|exec_dirs=/var/lib/kolla/venv/bin,|' /etc/neutron/rootwrap.conf",
        "printf 'neutron ALL=(root) NOPASSWD: /var/lib/kolla/venv/bin/neutron-rootwrap"
        " /etc/neutron/rootwrap.conf *\\n' > /etc/sudoers.d/neutron",
        "chmod 0440 /etc/sudoers.d/neutron",
        "install -d -o neutron -g neutron /var/lib/neutron/tmp",
    ),
    names=("neutron-server", "neutron-metadata-agent", "neutron-ovn-agent"),
)
