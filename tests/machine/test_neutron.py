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
