"""What Nova's own code makes of what we tell it; `make ready` built the image."""

from __future__ import annotations

import json

from tests.machine.kolla import image, podman

ASKED = """\
import json, socket, sys, threading
from nova import monkey_patch
monkey_patch.patch(backend="threading")
from keystoneauth1 import exceptions
from nova import conf, utils

met = []

def serve(listener):
    # The first one breaks when it has asked, as a load balancer that is dead.
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            met.append(1)
            if len(met) > 1:
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}"
conf.CONF([])
conf.CONF.set_override("auth_type", "none", group="placement")
for option, value in json.loads(sys.argv[1]).items():
    conf.CONF.set_override(option, value, group="placement")
conf.CONF.set_override("endpoint_override", url, group="placement")
try:
    status = utils.get_ksa_adapter("placement").get("/").status_code
except exceptions.ConnectFailure:
    status = 0
print(json.dumps(status))
"""


def asked(**options: int) -> int:
    """The status that Nova has from Placement; 0 when it gave up."""
    said = podman(
        *("run", "--rm", "--runtime", "runc", "--network", "none", "--entrypoint", "python3"),
        *(image("nova-compute"), "-c", ASKED, json.dumps(options)),
    )
    return int(json.loads(said.splitlines()[-1]))


def test_what_nova_asks_placement_is_asked_again_when_its_connection_breaks() -> None:
    assert asked() == 0, "Nova asks again by itself: is our option still wanted?"
    assert asked(connect_retries=4) == 200
