"""What Keystone's container image is made of."""

from __future__ import annotations

from cloudwright.declare.image import Image
from cloudwright.declare.options import API_LIBRARIES, LIBRARIES, OptionSet
from cloudwright.declare.template import programs, resource

TOKEN_KEYS = "/etc/keystone/fernet-keys"
CREDENTIAL_KEYS = "/etc/keystone/credential-keys"

OPTIONS = OptionSet(
    project="keystone",
    namespaces=("keystone", "oslo.cache", "oslo.db", "oslo.messaging", *LIBRARIES, *API_LIBRARIES),
    # A method may be of the operator's own: a class in [auth], and a section for a protocol.
    named_by={"auth.methods": "federation"},
    free=("auth.*",),
)
IMAGE = Image(
    name="keystone",
    parent="openstack-base",
    projects=("keystone",),
    users=("keystone",),
    user="keystone",
    options=(OPTIONS,),
    names=("keystone-api",),
    # An empty volume takes its owner from here.
    run=(f"install -d -o keystone -g keystone -m 700 {TOKEN_KEYS} {CREDENTIAL_KEYS}",),
    start=resource(__package__, "extend_start"),
    programs=programs(__package__, "kolla_keystone_bootstrap"),
)
