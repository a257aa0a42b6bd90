"""Every service of a cloud, in the order in which people think of them."""

from __future__ import annotations

from cloudwright.declare.service import Service
from cloudwright.services import (
    glance,
    haproxy,
    horizon,
    keepalived,
    keystone,
    libvirt,
    mariadb,
    memcached,
    neutron,
    nova,
    openvswitch,
    ovn,
    placement,
    queueproxy,
    rabbitmq,
    selffence,
)

SERVICES: tuple[Service, ...] = (
    mariadb.service,
    rabbitmq.service,
    memcached.service,
    haproxy.service,
    queueproxy.service,
    keepalived.service,
    selffence.service,
    keystone.service,
    glance.service,
    placement.service,
    openvswitch.service,
    ovn.service,
    neutron.service,
    libvirt.service,
    nova.service,
    horizon.service,
)
