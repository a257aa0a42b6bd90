"""Placement counts what each host has and who has taken how much of it."""

from __future__ import annotations

from cloudwright.declare import database, oslo, wsgi
from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.ini import Ini, merge
from cloudwright.declare.options import API_LIBRARIES, LIBRARIES, OptionSet
from cloudwright.declare.service import Api, Container, Database, File, Files, Service
from cloudwright.declare.tls import Tls

PORT = 8780
CONF = "/etc/placement/placement.conf"
SECTION = "placement_database"


OPTIONS = OptionSet(
    project="placement",
    namespaces=("placement.conf", "oslo.db", *LIBRARIES, *API_LIBRARIES),
)


def files(at: At) -> Files:
    owner = "placement"
    return {
        "placement.conf": File(content=_settings(at), path=CONF, owner=owner, options=OPTIONS),
        **wsgi.uwsgi(at, module="placement.wsgi.api:application", port=PORT, user=owner),
    }


def _settings(at: At) -> Ini:
    return merge(
        oslo.logging("placement"),
        oslo.database(at, "placement", section=SECTION),
        oslo.keystone(at, "placement"),
        oslo.api_defaults(at),
        {
            "api": {"auth_strategy": "keystone"},
            # Without it two hosts that start together may meet in the same row and one gives up.
            "placement": {"allocation_conflict_retry_count": 20},
        },
    )


service = Service(
    name="placement",
    summary="resource inventory",
    needs=("mariadb", "memcached", "haproxy"),
    image=Image(
        name="placement",
        parent="openstack-base",
        projects=("openstack-placement",),
        users=("placement",),
        user="placement",
        options=(OPTIONS,),
        names=("placement-api",),
    ),
    databases=(
        Database(
            name="placement",
            user="placement",
            create="placement-manage db sync",
            like="placement-api",
            conf=CONF,
            section=SECTION,
            online="placement-manage db online_data_migrations",
        ),
    ),
    containers=(
        Container(
            name="placement-api",
            role="control",
            command=wsgi.UWSGI_COMMAND,
            files=files,
            tls=Tls(owner="placement"),
            api=Api(port=PORT, type="placement"),
            waits=database.awaited,
        ),
    ),
    identity_user="placement",
    upgrade_check="placement-status upgrade check",
)
