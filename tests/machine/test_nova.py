"""What Nova's own code makes of what we tell it; `make ready` built the image."""

from __future__ import annotations

import json

from tests.machine.kolla import image, podman
from tests.machine.programs import said

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


ENDED = """\
import json, os, sys, threading
sys.path.insert(0, "/mnt")
from nova import monkey_patch
monkey_patch.patch(backend="threading")
import nova_daemon
from futurist import ThreadPoolExecutor, _thread

patience = float(sys.argv[1])
if "altered" in sys.argv:
    nova_daemon.end_pools_at_once()
_thread.ThreadWorker.MAX_IDLE_FOR = 3600
pool = ThreadPoolExecutor(8)
asked = [pool.submit(lambda n=n: n * n) for n in range(20)]
ending = threading.Thread(target=pool.shutdown, daemon=True)
ending.start()
ending.join(patience)
print(json.dumps([sum(a.result() for a in asked), ending.is_alive()]), flush=True)
os._exit(0)
"""


def test_a_thread_pool_of_novas_daemons_ends_when_it_is_told_to() -> None:
    done = sum(n * n for n in range(20))
    # the sum of what its threads did, and whether its end is waited for still
    assert said("nova", "nova-compute", ENDED, "2") == [done, True], (
        "idle threads see it by themselves: is our program wanted?"
    )
    assert said("nova", "nova-compute", ENDED, "60", "altered") == [done, False]


CLEANED_UP = """\
import json, os, sys, threading
sys.path.insert(0, "/mnt")
if "altered" in sys.argv:
    import nova_compute
from nova.cmd import compute
from nova import conf, thread_pool_factory
from nova.virt.libvirt import host

conf.CONF([])
one = host.Host("test:///default")
waiting = thread_pool_factory.spawn(one._conn_event_thread)
ending = threading.Thread(
    target=lambda: (one.cleanup(), thread_pool_factory.shutdown_all_executors()), daemon=True
)
ending.start()
ending.join(float(sys.argv[1]))
print(json.dumps([waiting.done(), ending.is_alive()]), flush=True)
os._exit(0)
"""


def test_a_compute_host_waits_for_no_event_when_it_is_told_to_end() -> None:
    # whether its thread of connection events has ended, and whether it is waited for still
    assert said("nova", "nova-compute", CLEANED_UP, "5") == [False, True], (
        "the thread ends by itself: is our program wanted?"
    )
    assert said("nova", "nova-compute", CLEANED_UP, "60", "altered") == [True, False]


LOOKS = """\
import json, sys
from types import SimpleNamespace
sys.path.insert(0, "/mnt")
from nova import monkey_patch
monkey_patch.patch(backend="threading")
import nova_daemon
from oslo_messaging._drivers import amqpdriver
from oslo_messaging._drivers.common import Timeout

class Silent:
    def consume(self, timeout):
        waits.append(timeout)
        if len(waits) == 20:
            listener._shutdown.set()
        raise Timeout()

nova_daemon.stop_listening_at_once()
from oslo_messaging._drivers import impl_rabbit

waits = []
listener = amqpdriver.AMQPListener(SimpleNamespace(prefetch_size=1), Silent())
listener.poll()
print(json.dumps([waits[0] < 0.01, max(waits) == nova_daemon.LOOK_SECONDS < 0.5]))
"""


def test_an_idle_listener_of_novas_daemons_looks_often_whether_it_shall_stop() -> None:
    assert said("nova", "nova-compute", LOOKS) == [True, True]


LEFT_OUT = """\
import json, socket, sys
from types import SimpleNamespace
sys.path.insert(0, "/mnt")
from nova import monkey_patch
monkey_patch.patch(backend="threading")
import answering, nova_daemon
from nova.scheduler.filters.compute_filter import ComputeFilter

class Reported(ComputeFilter):
    def __init__(self):
        self.servicegroup_api = SimpleNamespace(service_is_up=lambda service: service["up"])

def found():
    return [host.host_ip for host in Reported().filter_all(hosts, None)]

answering.DISCARD_PORT, answering.KEEP_SECONDS = 9009, 0
nova_daemon.leave_out_silent_hosts()
hosts = [
    SimpleNamespace(host_ip=f"127.0.0.{n}", service={"disabled": False, "up": n != 3})
    for n in (1, 2, 3)
]
before = found()
server = socket.create_server(("127.0.0.2", answering.DISCARD_PORT), backlog=0)
full = [socket.socket() for _ in range(2)]  # what comes now is thrown away
for one in full:
    one.setblocking(False)
    one.connect_ex(server.getsockname())
print(json.dumps([before, found()]))
"""


def test_a_host_that_has_stopped_to_answer_gets_no_server() -> None:
    both = ["127.0.0.1", "127.0.0.2"]
    assert said("nova", "nova-compute", LEFT_OUT) == [both, both[:1]]
