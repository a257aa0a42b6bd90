"""The users of the Kolla images: name → uid (= gid), never reused."""

from __future__ import annotations

KOLLA_USERS: dict[str, int] = {
    "kolla": 42400,
    "glance": 42415,
    "horizon": 42420,
    "keystone": 42425,
    "qemu": 42427,
    "mysql": 42434,
    "neutron": 42435,
    "nova": 42436,
    "rabbitmq": 42439,
    "haproxy": 42454,
    "memcached": 42457,
    "libvirt": 42473,
    "openvswitch": 42476,
    "placement": 42482,
}
"""Source: the Kolla image contract's registry of users (42400 + n)."""
