"""What Nova's processes are told."""

from __future__ import annotations

from cloudwright.declare import ini, oslo
from cloudwright.declare.at import At
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.options import API_LIBRARIES, LIBRARIES, OptionSet
from cloudwright.declare.service import File, Files
from cloudwright.declare.tls import CERTIFICATE_PATH, KEY_PATH
from cloudwright.declare.wsgi import uwsgi, workers
from cloudwright.model.cloud import Cloud, virt_type

API_PORT = 8774
METADATA_PORT = 8775
CONSOLE_PORT = 6080

CONF = "/etc/nova/nova.conf"
CELL0_CONF = "/etc/nova/cell0.conf"

PRIVILEGED = ("nova_sys_admin", "vif_plug_ovs_privileged", "privsep_osbrick")

OPTIONS = OptionSet(
    project="nova",
    namespaces=(
        "nova.conf",
        "os_brick",
        "os_vif",
        "oslo.cache",
        "oslo.db",
        "oslo.limit",
        "oslo.messaging",
        "oslo.privsep",
        *LIBRARIES,
        *API_LIBRARIES,
    ),
    # Each user of oslo.privsep has its section under a name of its own.
    like={section: "privsep" for section in PRIVILEGED},
    free=("mdev_*", "vgpu_*"),  # [devices] enabled_mdev_types names them
)

HELPER = "sudo /var/lib/kolla/venv/bin/privsep-helper"


MANY = 100
"""More compute hosts than these report less often: a report is a call and a write."""


def down_seconds(cloud: Cloud) -> int:
    """How long Nova takes a silent compute host for well: four of its reports.

    Until then a scheduler that never asked it (`program/answering.py`) sends servers there, which
    wait for its return: with Nova's 10 and 60 s, for a minute after the loss of a site. With
    heartbeats of 10 s to the queue, reports came up to 18.5 s late where its member had died
    (measured): much less is not safe.
    """
    return 4 * _report_seconds(cloud)


def _report_seconds(cloud: Cloud) -> int:
    """How often each compute host says that it is alive."""
    return 5 if len(cloud.hosts_with("compute")) <= MANY else 10


def _sites(cloud: Cloud) -> int:
    return len({host.site for host in cloud.hosts_with("compute")})


def _process(at: At) -> ini.Ini:
    """What every process of Nova's is told: who it is, and whom it calls as itself."""
    own = oslo.credentials(at, "nova")
    return ini.merge(
        oslo.logging("nova"),
        oslo.messaging(at),
        oslo.locks("nova"),
        oslo.cache(at),
        {
            "DEFAULT": {
                "host": at.host.name,
                "my_ip": at.host.address,
                "state_path": "/var/lib/nova",
                # Every option's value at every start is 1400 lines that nobody reads.
                "log_options": False,
                "report_interval": _report_seconds(at.cloud),
                "service_down_time": down_seconds(at.cloud),
            },
            "service_user": {**own, "region_name": None, "send_service_user_token": True},
            "placement": {
                **own,
                "valid_interfaces": "internal",
                # A connection that is kept breaks when the cloud's address moves. Asked once, a
                # server that was being deleted stayed in ERROR; what Nova asks Placement may be
                # asked again. After 0.5, 1, 2 and 4 s the address is there, and the database.
                "connect_retries": 4,
            },
            "neutron": {
                **own,
                "valid_interfaces": "internal",
                "service_metadata_proxy": True,
                "metadata_proxy_shared_secret": at.password("nova-metadata"),
            },
            "glance": {
                "valid_interfaces": "internal",
                "region_name": at.cloud.region,
                "cafile": own["cafile"],
            },
            "cinder": {
                **own,
                "region_name": None,  # it has a name of its own there
                "os_region_name": at.cloud.region,
                "catalog_info": "block-storage::internalURL",
                # Sites with hypervisors are availability zones, each with storage of its own.
                "cross_az_attach": False if _sites(at.cloud) > 1 else None,
            },
            "upgrade_levels": {"compute": "auto"},
        },
    )


def control_conf(at: At) -> ini.Ini:
    """`nova.conf` of everything that may touch the databases; never on a compute host."""
    return ini.merge(
        _process(at),
        oslo.database(at, "nova_api", user="nova", section="api_database"),
        oslo.database(at, "nova"),
        oslo.keystone(at, user="nova"),
        oslo.api_defaults(at),
        {
            "DEFAULT": {
                # The console's proxy alone reads these three.
                "ssl_only": True,
                "cert": CERTIFICATE_PATH,
                "key": KEY_PATH,
                # Calls under way are seconds long; a stop would wait three minutes for none.
                "manager_shutdown_timeout": 5,
                "graceful_shutdown_timeout": 10,
            },
            "wsgi": {"api_paste_config": "/etc/nova/api-paste.ini"},
            "conductor": {"workers": workers(at)},
            "scheduler": {"workers": workers(at)},
            "vnc": {
                "enabled": True,
                "novncproxy_host": at.host.address,
                "novncproxy_port": CONSOLE_PORT + 10_000,
            },
        },
    )


def compute_conf(at: At) -> ini.Ini:
    """`nova.conf` of a compute host: how instances run there."""
    kind = virt_type(at.cloud, at.facts)
    return ini.merge(
        _process(at),
        {
            "DEFAULT": {
                "compute_driver": "libvirt.LibvirtDriver",
                "instances_path": "/var/lib/nova/instances",
                "force_config_drive": False,
                "resume_guests_state_on_host_boot": True,
                # The first 10 s are for tasks under way.
                "manager_shutdown_timeout": 30,
            },
            "libvirt": {
                "connection_uri": "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
                "virt_type": kind,
                "cpu_mode": "host-model" if kind == "kvm" else "none",
                # What QEMU may cache of translated code; its own default is a GiB per instance.
                "tb_cache_size": 128 if kind == "qemu" else None,
                "hw_machine_type": "x86_64=q35,aarch64=virt",
            },
            "vnc": {
                "enabled": True,
                "server_listen": at.host.address,
                "server_proxyclient_address": at.host.address,
                "novncproxy_base_url": at.url(CONSOLE_PORT, "/vnc_lite.html", external=True),
            },
            "os_vif_ovs": {"ovsdb_connection": "unix:/run/openvswitch/db.sock"},
        },
        {section: {"helper_command": f"{HELPER} --config-file {CONF}"} for section in PRIVILEGED},
    )


def control_files(at: At) -> Files:
    """The file of the daemons on controllers."""
    return {"nova.conf": File(content=control_conf(at), path=CONF, owner="nova", options=OPTIONS)}


COMPUTE_COMMAND = f"python3 {LIBRARY}/nova_compute.py"


def compute_files(at: At) -> Files:
    """What nova-compute is told, and the program that it is started by."""
    return {
        "nova.conf": File(content=compute_conf(at), path=CONF, owner="nova", options=OPTIONS),
        **library(__package__, "program/nova_compute.py", "program/nova_daemon.py"),
    }


def daemon_command(name: str) -> str:
    """How nova-`name`, which forks its workers, is started."""
    return f"python3 {LIBRARY}/nova_daemon.py {name}"


def daemon_files(at: At) -> Files:
    """What such a daemon is told, and the programs that it is started by."""
    programs = library(__package__, "program/nova_daemon.py", "program/answering.py")
    return {**control_files(at), **programs}


def api_files(at: At) -> Files:
    """The API's."""
    return {**control_files(at), **_server(at, "nova.wsgi.osapi_compute", API_PORT, 8)}


def metadata_files(at: At) -> Files:
    """The metadata API's."""
    return {**control_files(at), **_server(at, "nova.wsgi.metadata", METADATA_PORT, 4)}


def _server(at: At, module: str, port: int, threads: int) -> Files:
    # Nova makes thread pools as it loads; threads do not outlive a fork, and the first request
    # that used one ended the worker with a segmentation fault.
    return uwsgi(at, module=module, port=port, user="nova", threads=threads, load_after_fork=True)
