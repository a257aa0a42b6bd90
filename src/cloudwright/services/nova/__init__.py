"""Nova runs instances."""

from __future__ import annotations

from cloudwright.declare import database
from cloudwright.declare.at import BACKEND_OFFSET, At
from cloudwright.declare.awaited import Awaited
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import KEYSTONE_PORT, QUEUE_PORT
from cloudwright.declare.reload import MUTABLE
from cloudwright.declare.service import (
    Api,
    ConnectedHealth,
    Container,
    HttpHealth,
    Mount,
    Service,
    Volume,
    runtime,
)
from cloudwright.declare.tls import Tls
from cloudwright.declare.wsgi import UWSGI_COMMAND
from cloudwright.services.nova import cells, conf

CONTROL_NEEDS = ("rabbitmq", "memcached", "nova/cells")

# These ask Placement as they start, and end when Keystone does not know them yet.
PLACEMENT_NEEDS = ("placement", "placement/identity", "nova/identity")


def control_waits(at: At) -> tuple[Awaited, ...]:
    """The database, and Keystone that vouches for us at Placement."""
    return (*database.awaited(at), *compute_waits(at))


def compute_waits(at: At) -> tuple[Awaited, ...]:
    """Keystone: a compute host may not reach the database."""
    return (Awaited(address=at.cloud.api.internal, port=KEYSTONE_PORT),)


service = Service(
    name="nova",
    summary="instances",
    identity_user="nova",
    zones=("nova-api", "nova-compute"),
    upgrade_check="nova-status upgrade check",
    image=Image(
        name="nova",
        parent="openstack-base",
        projects=("nova",),
        packages=("qemu-utils", "python3-libvirt", "novnc"),
        users=("nova", "qemu", "libvirt", "openvswitch"),
        user="nova",
        run=(
            "mkdir -p /etc/nova && cp -a /var/lib/kolla/venv/etc/nova/. /etc/nova/",
            # libvirt's binding must match the library beside it: Debian's, not one of pip's.
            "ln -s /usr/lib/python3/dist-packages/libvirt*.py"
            " /usr/lib/python3/dist-packages/libvirtmod*.so"
            " /var/lib/kolla/venv/lib/python3*/site-packages/",
            "printf 'nova ALL=(root) NOPASSWD: /var/lib/kolla/venv/bin/privsep-helper *\\n'"
            " > /etc/sudoers.d/nova",
            "chmod 0440 /etc/sudoers.d/nova",
            "usermod --append --groups openvswitch nova",  # the switch's database
            "install -d -o nova -g nova /var/lib/nova/tmp /var/lib/nova/instances",
        ),
        names=(
            "nova-api",
            "nova-scheduler",
            "nova-conductor",
            "nova-novncproxy",
            "nova-compute",
        ),
        options=(conf.OPTIONS,),
    ),
    databases=cells.databases,
    jobs=cells.jobs,
    containers=(
        Container(
            name="nova-api",
            role="control",
            command=UWSGI_COMMAND,
            files=conf.api_files,
            tls=Tls(owner="nova"),
            api=Api(port=conf.API_PORT, type="compute", path="/v2.1"),
            health=HttpHealth(port=conf.API_PORT + BACKEND_OFFSET, tls=True),
            waits=control_waits,
            needs=CONTROL_NEEDS,
        ),
        Container(
            name="nova-metadata",
            role="control",
            command=UWSGI_COMMAND,
            files=conf.metadata_files,
            tls=Tls(owner="nova"),
            api=Api(port=conf.METADATA_PORT, external=False),
            health=HttpHealth(port=conf.METADATA_PORT + BACKEND_OFFSET, tls=True),
            waits=control_waits,
            needs=CONTROL_NEEDS,
        ),
        Container(
            name="nova-scheduler",
            role="control",
            command=conf.daemon_command("scheduler"),
            files=conf.daemon_files,
            reload=MUTABLE,
            health=ConnectedHealth(port=QUEUE_PORT),
            waits=control_waits,
            needs=CONTROL_NEEDS + PLACEMENT_NEEDS,
        ),
        Container(
            name="nova-conductor",
            role="control",
            command=conf.daemon_command("conductor"),
            files=cells.conductor_files,
            reload=MUTABLE,
            health=ConnectedHealth(port=QUEUE_PORT),
            waits=control_waits,
            needs=CONTROL_NEEDS + PLACEMENT_NEEDS,
        ),
        Container(
            name="nova-novncproxy",
            role="control",
            command="nova-novncproxy --web /usr/share/novnc",
            files=conf.control_files,
            tls=Tls(owner="nova"),
            # A process of its own, with all of Nova in its memory, answers each question.
            api=Api(port=conf.CONSOLE_PORT, check="/vnc_lite.html", check_seconds=5),
            health=HttpHealth(
                port=conf.CONSOLE_PORT + BACKEND_OFFSET, path="/vnc_lite.html", tls=True
            ),
            waits=control_waits,
            needs=CONTROL_NEEDS,
        ),
        Container(
            name="nova-compute",
            role="compute",
            command=conf.COMPUTE_COMMAND,
            files=conf.compute_files,
            volumes=(Volume(name="nova_compute", path="/var/lib/nova"),),
            mounts=(
                runtime("libvirt"),
                runtime("openvswitch"),
                Mount(source="/dev", target="/dev"),  # consoles that libvirt made
                Mount(source="/lib/modules", target="/lib/modules", read_only=True),
            ),
            privileged="makes taps and attaches disks of instances",
            health=ConnectedHealth(port=QUEUE_PORT),
            stop_seconds=180,
            waits=compute_waits,
            needs=(
                "@nova-libvirt",
                "@openvswitch-vswitchd",
                "@queue-proxy",
                "nova-conductor",
                *PLACEMENT_NEEDS,
            ),
        ),
    ),
)
