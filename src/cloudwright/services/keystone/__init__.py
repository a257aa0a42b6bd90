"""Keystone knows who is who, what each may do, and where every API is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from cloudwright.declare import database, oslo, wsgi
from cloudwright.declare.at import At
from cloudwright.declare.ini import Ini, merge
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.declare.reload import Reload
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
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
from cloudwright.model.secrets import FernetKey, FernetRing, Secret, ring
from cloudwright.services.keystone.image import CREDENTIAL_KEYS, IMAGE, OPTIONS, TOKEN_KEYS

CONF = "/etc/keystone/keystone.conf"
ADMIN_PASSWORD = "/etc/keystone/admin-password"

TOKENS = Secret(name="keystone/fernet", recipe=FernetRing())
"""What tokens are made with."""

CREDENTIALS = tuple(
    Secret(name=f"keystone/credential-{number}", recipe=FernetKey()) for number in (0, 1)
)

OLDER = 3
"""Keys whose tokens are still taken, so that one lives as long as it says when keys change as
often as the life of a token allows."""


def token_keys(at: At) -> Mapping[str, Secret]:
    """Place in the repository → key: 0 waits, the highest makes tokens (Keystone, "Fernet").

    The places are always the same, so that a running container can take them all; where there is
    no older key yet, the oldest stands in more than one. In this order a container never lacks a
    key that it has just been using: each moves down before a newer one takes its place.
    """
    waiting, *used = ring(at.current(TOKENS), OLDER)
    used += [used[-1]] * (OLDER + 1 - len(used))
    places = {str(number): key for number, key in enumerate(reversed(used), start=1)}
    return {**places, "0": waiting}


def files(at: At) -> Files:
    owner = "keystone"
    keys = {
        f"{kind}-{place}": File(
            content=str(secret),
            path=f"{repository}/{place}",
            owner=owner,
            mode="0600",
            reload=True,
        )
        for kind, repository, secrets in (
            ("fernet", TOKEN_KEYS, token_keys(at)),
            ("credential", CREDENTIAL_KEYS, dict(zip("01", CREDENTIALS, strict=True))),
        )
        for place, secret in secrets.items()
    }
    return {
        "keystone.conf": File(content=_settings(at), path=CONF, owner=owner, options=OPTIONS),
        **library(__package__, "program/keystone_api.py"),
        **wsgi.uwsgi(
            at,
            module="keystone_api",
            port=KEYSTONE_PORT,
            user=owner,
            options={"pythonpath": LIBRARY},
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
            # bcrypt reads no more bytes than these; Keystone warns at every login otherwise.
            "identity": {"max_password_length": 72},
            "token": {"provider": "fernet", "expiration": 14400},
            "fernet_tokens": {"key_repository": TOKEN_KEYS, "max_active_keys": OLDER + 2},
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
            # Whoever starts asks it for a token first, and each password costs it a third of a
            # second: where a host is busy, it goes before those that wait for it.
            cpu_shares=HEARTBEAT_SHARES // 2,
            waits=database.awaited,
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
    secrets=lambda cloud: (TOKENS, *CREDENTIALS),
)
