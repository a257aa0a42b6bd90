"""Glance keeps the machine images that instances boot from."""

from __future__ import annotations

from cloudwright.declare import database, oslo, wsgi
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.image import Image
from cloudwright.declare.ini import Ini, merge
from cloudwright.declare.options import API_LIBRARIES, LIBRARIES, OptionSet
from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.declare.service import (
    Api,
    Container,
    Database,
    File,
    Files,
    Permission,
    Service,
    Volume,
)
from cloudwright.declare.tls import Tls
from cloudwright.services.glance import copies
from cloudwright.services.glance.copies import DATA

PORT = 9292
CONF = "/etc/glance/glance-api.conf"
PASTE = "/etc/glance/glance-api-paste.ini"
METADEFS = "/etc/glance/metadefs"
PACKAGED = "/var/lib/kolla/venv/etc/glance"


OPTIONS = OptionSet(
    project="glance",
    namespaces=(
        "glance.api",
        "glance.store",
        "glance.multi_store",
        "oslo.db",
        "oslo.limit",
        "oslo.messaging",
        *LIBRARIES,
        *API_LIBRARIES,
    ),
    # Each store has a section; so have those that Glance keeps for itself.
    like={"os_glance_staging_store": "glance_store", "os_glance_tasks_store": "glance_store"},
    named_by={"DEFAULT.enabled_backends": "glance_store"},
)


def files(at: At) -> Files:
    owner = "glance"
    return {
        "glance-api.conf": File(content=_settings(at), path=CONF, owner=owner, options=OPTIONS),
        **wsgi.uwsgi(
            at,
            module="glance.wsgi.api:application",
            port=PORT,
            user=owner,
            # An upload of unknown length is read by Glance itself, piece by piece, as it comes.
            options={"wsgi-manual-chunked-input": True},
        ),
    }


def _settings(at: At) -> Ini:
    return merge(
        oslo.logging("glance"),
        oslo.database(at, "glance"),
        oslo.keystone(at, "glance"),
        oslo.api_defaults(at),
        oslo.locks("glance"),
        {
            "DEFAULT": {
                "enabled_backends": "main:file",
                "public_endpoint": at.url(PORT, external=True),
                "worker_self_reference_url": f"https://{at.host.address}:{wsgi.back(PORT)}",
                "node_staging_uri": f"file://{DATA}/staging",
                "enabled_import_methods": "[glance-direct,web-download,copy-image]",
            },
            "glance_store": {"default_backend": "main"},
            # Of the host alone: the load balancer sends all requests to one host while it lives,
            # and copies of what came there are brought to the others.
            "main": {"filesystem_store_datadir": f"{DATA}/images"},
            "os_glance_staging_store": {"filesystem_store_datadir": f"{DATA}/staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": f"{DATA}/tasks"},
            "paste_deploy": {"flavor": "keystone", "config_file": PASTE},
            "oslo_messaging_notifications": {"driver": ("noop",)},
            "oslo_limit": {
                **oslo.credentials(at, "glance"),
                "auth_url": at.url(KEYSTONE_PORT),
            },
        },
    )


service = Service(
    name="glance",
    summary="machine images",
    needs=("mariadb", "memcached", "haproxy", "keepalived"),
    image=Image(
        name="glance",
        parent="openstack-base",
        projects=("glance",),
        packages=("qemu-utils",),
        users=("glance",),
        user="glance",
        options=(OPTIONS,),
        links={PASTE: f"{PACKAGED}/glance-api-paste.ini", METADEFS: f"{PACKAGED}/metadefs"},
        names=("glance-api",),
    ),
    databases=(
        Database(
            name="glance",
            user="glance",
            # With the definitions that tell a user what properties an image may have.
            create="glance-manage db_sync && glance-manage db_load_metadefs",
            like="glance-api",
            conf=CONF,
            expand="glance-manage db expand",
            migrate="glance-manage db migrate",
            contract="glance-manage db contract",
        ),
    ),
    containers=(
        Container(
            name="glance-api",
            role="control",
            command=wsgi.UWSGI_COMMAND,
            files=files,
            volumes=(Volume(name="glance", path=DATA),),
            permissions=(Permission(path=DATA, owner="glance:glance", mode="0750"),),
            tls=Tls(owner="glance"),
            # With it a host's process trusts another's, whose staged upload it asks for.
            environment={"REQUESTS_CA_BUNDLE": CA_PATH},
            api=Api(port=PORT, type="image", own_files=True),
            copied_by=copies.NAME,
            waits=database.awaited,
        ),
        copies.container,
    ),
    identity_user="glance",
    upgrade_check="glance-status upgrade check",
)
