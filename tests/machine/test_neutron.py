"""What Neutron's image makes of the module that we lay beside its API.

The image is the one that `make ready` built.
"""

from __future__ import annotations

from tests.machine.programs import said

ASKED = """\
import json, sys
from neutron.common.ovn import constants
before = {name: getattr(constants, name) for name in sys.argv[1:]}  # AttributeError: renamed
import hash_ring
from neutron.plugins.ml2.drivers.ovn.mech_driver import mech_driver
watch = mech_driver.maintenance.HashRingHealthCheckPeriodics
print(json.dumps({
    "before": before,
    "after": {name: getattr(constants, name) for name in before},
    "periodics": {
        name: getattr(watch, name)._periodic_spacing
        for name in dir(watch) if hasattr(getattr(watch, name), "_periodic_spacing")
    },
}))
"""

TOUCH = "HASH_RING_TOUCH_INTERVAL"
CACHE = "HASH_RING_CACHE_TIMEOUT"
DEAD = "HASH_RING_NODES_TIMEOUT"


def test_a_dead_worker_is_out_of_the_hash_ring_within_seconds() -> None:
    found = said("neutron", "neutron-server", ASKED, TOUCH, CACHE, DEAD)
    assert found["before"] == {TOUCH: 15, CACHE: 60, DEAD: 120}, (
        "Neutron's own times have changed: are ours still wanted?"
    )
    assert found["after"] == {TOUCH: 2, CACHE: 2, DEAD: 8}
    assert found["periodics"] == {"touch_hash_ring_node": 2, "take_over": 2}


OPENED = """\
import json, socket
import dead_peers
from ovs import socket_util
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
error, sock = socket_util.inet_open_active(socket.SOCK_STREAM, f"127.0.0.1:{port}", 0, 0)
print(json.dumps([error, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)]))
"""


def test_a_dead_database_of_ovn_is_given_up_within_seconds() -> None:
    assert said("neutron", "neutron-server", OPENED) == [0, 3000]


JOINED = """\
import json, types
import hash_ring
from neutron.db import ovn_hash_ring_db as database
from neutron.db.models import ovn as models
from neutron_lib import context
from neutron_lib.db import api
from neutron.conf import common
from oslo_config import cfg
from oslo_db import options

options.set_defaults(cfg.CONF, connection="sqlite:////tmp/ring.sqlite")
common.register_core_common_config_opts()
cfg.CONF([], project="neutron")
models.OVNHashRing.__table__.create(api.CONTEXT_WRITER.get_engine())
GROUP = "mechanism_driver"
ADMIN = context.get_admin_context()


def members():
    return {n.hostname for n in database.get_active_nodes(ADMIN, hash_ring.DEAD_SECONDS, GROUP)}


def started(host):
    # What the ring was while this host's worker was not yet connected, what it is after that, and
    # what the worker's connection still remembers of it.
    cfg.CONF.set_override("host", host)
    driver = hash_ring.Driver()
    driver.hash_ring_group, driver._node_uuid, driver._start_time = GROUP, host, 1.0
    driver._register_hash_ring_maintenance = lambda: None
    ring = hash_ring.Ring(GROUP)
    heard = types.SimpleNamespace(
        ovsdb_connection=types.SimpleNamespace(idl=types.SimpleNamespace(_hash_ring=ring)))
    seen = {}

    def connect(driver, trigger):
        seen["before"] = sorted(members())
        ring.refresh()
        return (heard,)

    hash_ring.connect = connect
    driver._setup_hash_ring()
    hash_ring.impl_idl_ovn.get_ovn_idls(driver, None)
    seen["after"] = sorted(members())
    ring.get_node("a row of OVN's")
    seen["remembered"] = len(ring._hash_ring.nodes)
    return seen


print(json.dumps([started("first"), started("second")]))
"""


def test_a_worker_joins_the_ring_once_it_hears_ovn_where_another_is_there() -> None:
    first, second = said("neutron", "neutron-server", JOINED)
    assert first == {"before": ["first"], "after": ["first"], "remembered": 1}
    assert second == {"before": ["first"], "after": ["first", "second"], "remembered": 2}
