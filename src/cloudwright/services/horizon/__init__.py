"""Horizon is the cloud in a browser."""

from __future__ import annotations

from cloudwright.declare import database, oslo, wsgi
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.declare.service import Api, Container, Database, File, Files, Service
from cloudwright.declare.tls import Tls
from cloudwright.services.horizon.image import IMAGE, SESSIONS, SESSIONS_PROGRAM, SETTINGS, STATIC

PORT = 443
CONF = "/etc/openstack-dashboard/horizon.conf"


def files(at: At) -> Files:
    owner = "horizon"
    return {
        "local_settings.py": File(content=_settings(at) + DATABASES, path=SETTINGS, owner=owner),
        "horizon.conf": File(
            content={"database": {"connection": oslo.database_url(at, "horizon")}},
            path=CONF,
            owner=owner,
        ),
        # Our image has it for its own build; others may not.
        SESSIONS: File(content=SESSIONS_PROGRAM, path=f"/usr/local/bin/{SESSIONS}", mode="0755"),
        **wsgi.uwsgi(
            at,
            module="openstack_dashboard.wsgi:application",
            port=PORT,
            user=owner,
            options={
                "static-map": f"/static={STATIC}",
                "static-expires-type": "*=3600",
                # Sessions that are over, once an hour, by one controller after the other.
                "unique-cron": f"{_minute(at)} -1 -1 -1 -1 {SESSIONS} clearsessions",
            },
        ),
    }


# What made the schema is what sessions are written with.
DATABASES = f"""\
import runpy
DATABASES = {{'default': runpy.run_path('/usr/local/bin/{SESSIONS}')['database']()}}
"""


def _minute(at: At) -> int:
    """The minute of each hour that is this controller's, however many others there are."""
    return 10 * [host.name for host in at.controllers].index(at.host.name) % 60


def _settings(at: At) -> str:
    settings: dict[str, object] = {
        "DEBUG": False,
        "SECRET_KEY": at.password("horizon/secret-key"),
        # The load balancer alone reaches this, and its check asks by address.
        "ALLOWED_HOSTS": ["*"],
        "STATIC_ROOT": STATIC,
        "COMPRESS_OFFLINE": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        # Not in the cookie, which a large catalog would outgrow, and not in caches, which are
        # each site's own: after a failover and back, one would hold what the other had changed.
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
                "LOCATION": list(oslo.memcached_servers(at)),
                # A member that is frozen is a cache without an answer, not a page without one.
                "OPTIONS": {"connect_timeout": 1, "timeout": 1, "ignore_exc": True},
            }
        },
        "OPENSTACK_HOST": at.cloud.api.internal,
        "OPENSTACK_KEYSTONE_URL": at.url(KEYSTONE_PORT, "/v3"),
        "OPENSTACK_ENDPOINT_TYPE": "internalURL",
        "OPENSTACK_SSL_CACERT": CA_PATH,
        "OPENSTACK_API_VERSIONS": {"identity": 3, "image": 2, "volume": 3},
        "OPENSTACK_KEYSTONE_DEFAULT_ROLE": "member",
        "OPENSTACK_NEUTRON_NETWORK": {
            "enable_router": True,
            "enable_quotas": True,
            "enable_distributed_router": False,
            "enable_ha_router": False,
        },
        "TIME_ZONE": "UTC",
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"], "level": "INFO"},
        },
    }
    return "".join(f"{name} = {value!r}\n" for name, value in settings.items())


service = Service(
    name="horizon",
    summary="dashboard",
    needs=("mariadb", "memcached", "haproxy"),
    image=IMAGE,
    databases=(
        Database(
            name="horizon",
            user="horizon",
            create=f"{SESSIONS} migrate",
            like="horizon",
            conf=CONF,
            apart=True,
        ),
    ),
    containers=(
        Container(
            name="horizon",
            role="control",
            command=wsgi.UWSGI_COMMAND,
            files=files,
            tls=Tls(owner="horizon"),
            waits=database.awaited,
            needs=("keystone",),
            api=Api(port=PORT),
        ),
    ),
)
