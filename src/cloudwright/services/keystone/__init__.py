"""Keystone knows who is who, what each may do, and where every API is."""

from __future__ import annotations

import shlex

from cloudwright.declare import oslo, wsgi
from cloudwright.declare.at import At
from cloudwright.declare.ini import Ini, merge
from cloudwright.declare.oslo import DATABASE_PORT, KEYSTONE_PORT
from cloudwright.declare.reload import Reload
from cloudwright.declare.service import (
    Api,
    Container,
    Database,
    File,
    Files,
    Job,
    Permission,
    Service,
)
from cloudwright.declare.tls import Tls
from cloudwright.model.secrets import FernetKey, Secret
from cloudwright.services.keystone.image import CREDENTIAL_KEYS, IMAGE, OPTIONS, TOKEN_KEYS

CONF = "/etc/keystone/keystone.conf"
ADMIN_PASSWORD = "/etc/keystone/admin-password"

KEYS = {
    f"{kind}-{number}": Secret(name=f"keystone/{kind}-{number}", recipe=FernetKey())
    for kind in ("fernet", "credential")
    for number in (0, 1)  # 0 is the next primary, the highest the one that encrypts
}


def files(at: At) -> Files:
    owner = "keystone"
    keys = {
        name: File(
            content=str(secret),
            path=f"/etc/keystone/{name.replace('-', '-keys/')}",
            owner=owner,
            mode="0600",
            reload=True,
        )
        for name, secret in KEYS.items()
    }
    return {
        "keystone.conf": File(content=_settings(at), path=CONF, owner=owner, options=OPTIONS),
        "uwsgi.ini": wsgi.uwsgi(
            at, module="keystone.wsgi.api:application", port=KEYSTONE_PORT, user=owner
        ),
        "admin-password": File(
            content=at.password("admin/identity"), path=ADMIN_PASSWORD, owner=owner
        ),
        **keys,
    }


def _settings(at: At) -> Ini:
    return merge(
        oslo.logging("keystone"),
        {"DEFAULT": {"public_endpoint": at.url(KEYSTONE_PORT, external=True)}},
        oslo.database(at, "keystone"),
        oslo.cache(at),
        oslo.api_defaults(at),
        {
            "token": {"provider": "fernet", "expiration": 14400},
            "fernet_tokens": {"key_repository": TOKEN_KEYS, "max_active_keys": 3},
            "credential": {"key_repository": CREDENTIAL_KEYS},
            "oslo_messaging_notifications": {"driver": ("noop",)},
        },
    )


def _bootstrap(at: At) -> str:
    """Admin, its role and project, the region, and Keystone's own endpoints; the password is
    read from a file, so that it stands in no argument list and in no container's settings."""
    arguments = {
        "username": "admin",
        "project-name": "admin",
        "role-name": "admin",
        "service-name": "keystone",
        "region-id": at.cloud.region,
        "admin-url": at.url(KEYSTONE_PORT, "/v3"),
        "internal-url": at.url(KEYSTONE_PORT, "/v3"),
        "public-url": at.url(KEYSTONE_PORT, "/v3", external=True),
    }
    words = " ".join(f"--bootstrap-{k} {shlex.quote(v)}" for k, v in arguments.items())
    return f'OS_BOOTSTRAP_PASSWORD="$(cat {ADMIN_PASSWORD})" keystone-manage bootstrap {words}'


service = Service(
    name="keystone",
    summary="identity and service catalog",
    needs=("mariadb", "memcached", "haproxy", "keepalived"),
    image=IMAGE,
    upgrade_check="keystone-status upgrade check",
    databases=(
        Database(
            name="keystone",
            user="keystone",
            create="keystone-manage db_sync",
            like="keystone-api",
            conf=CONF,
            expand="keystone-manage db_sync --expand",
            migrate="keystone-manage db_sync --migrate",
            contract="keystone-manage db_sync --contract",
        ),
    ),
    containers=(
        Container(
            name="keystone-api",
            role="control",
            command=wsgi.UWSGI_COMMAND,
            files=files,
            reload=Reload(),  # keys are read at each use
            permissions=(
                Permission(path=TOKEN_KEYS, owner="keystone:keystone", mode="0700"),
                Permission(path=CREDENTIAL_KEYS, owner="keystone:keystone", mode="0700"),
            ),
            # Its endpoints are made by its bootstrap, before anyone could log in to make them.
            tls=Tls(owner="keystone"),
            api=Api(port=KEYSTONE_PORT, path="/v3"),
            waits=lambda at: ((at.cloud.api.internal, DATABASE_PORT),),
        ),
    ),
    jobs=(
        Job(
            name="bootstrap",
            command=_bootstrap,
            like="keystone-api",
            probe=(
                "SELECT 1 FROM keystone.local_user u"
                " JOIN keystone.password p ON p.local_user_id = u.id"
                " JOIN keystone.service s ON s.type = 'identity'"
                " JOIN keystone.endpoint e ON e.service_id = s.id AND e.interface = 'public'"
                " WHERE u.name = 'admin' AND u.domain_id = 'default' LIMIT 1"
            ),
            needs=("keystone/schema-keystone",),
        ),
    ),
    secrets=lambda cloud: tuple(KEYS.values()),
)
