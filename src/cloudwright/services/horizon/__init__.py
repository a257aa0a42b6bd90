"""Horizon is the cloud in a browser."""

from __future__ import annotations

from cloudwright.declare import oslo, wsgi
from cloudwright.declare.at import CA_PATH, At
from cloudwright.declare.image import Image
from cloudwright.declare.oslo import KEYSTONE_PORT
from cloudwright.declare.service import Api, Container, File, Files, Service
from cloudwright.declare.template import resource
from cloudwright.declare.tls import Tls

PORT = 443
SETTINGS = "/etc/openstack-dashboard/local_settings.py"
SETTINGS_FOLDER = "/etc/openstack-dashboard/local_settings.d"
STATIC = "/var/lib/horizon/static"
PYTHON = "/var/lib/kolla/venv/bin/python"

BUILD_SETTINGS = (
    f"STATIC_ROOT = '{STATIC}'",
    "SECRET_KEY = 'used for the build alone'",
    "COMPRESS_OFFLINE = True",
    # The default is a memcached that no build has; the part that it would keep is then left out.
    "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.dummy.DummyCache'}}",
)
"""What decides the compressed static files; the rest of the settings comes with the container."""


def files(at: At) -> Files:
    owner = "horizon"
    return {
        "local_settings.py": File(content=_settings(at), path=SETTINGS, owner=owner),
        "uwsgi.ini": wsgi.uwsgi(
            at,
            module="openstack_dashboard.wsgi:application",
            port=PORT,
            user=owner,
            options={"static-map": f"/static={STATIC}", "static-expires-type": "*=3600"},
        ),
    }


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
        # In the caches rather than in the cookie, which a large catalog would outgrow.
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
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


def _static_files() -> tuple[str, ...]:
    """Collect and compress once at build: at start it would cost half a minute of both cores."""
    django = f"{PYTHON} -m django %s --settings openstack_dashboard.settings"
    lines = " ".join(f'"{line}"' for line in BUILD_SETTINGS)
    package = f"$({PYTHON} -c 'import openstack_dashboard as o; print(o.__path__[0])')"
    return (
        f"install -d -o horizon -g horizon {STATIC} $(dirname {SETTINGS})",
        f'ln -sfn {SETTINGS} "{package}/local/local_settings.py"',
        # Where a deployer by the Kolla contract puts its settings and looks for static files.
        f'd={SETTINGS_FOLDER}; mkdir $d; rm -r "{package}/local/local_settings.d"'
        f' && ln -s $d "{package}/local/local_settings.d" && ln -s {STATIC} "{package}/../static"',
        f"printf '%s\\n' {lines} > {SETTINGS}",
        f"{django % 'collectstatic'} --noinput --clear --verbosity 0",
        f"{django % 'compress'} --force --verbosity 0",
        f"rm {SETTINGS}",
        f"chown -R horizon:horizon {STATIC}",
    )


service = Service(
    name="horizon",
    summary="dashboard",
    needs=("memcached", "haproxy", "keystone"),
    image=Image(
        name="horizon",
        parent="openstack-base",
        projects=("horizon",),
        users=("horizon",),
        user="horizon",
        run=_static_files(),
        start=resource(__name__, "extend_start"),
    ),
    containers=(
        Container(
            name="horizon",
            role="control",
            command=wsgi.UWSGI_COMMAND,
            files=files,
            # Django answers it with a redirect; the login page would begin a session each time.
            tls=Tls(owner="horizon"),
            api=Api(port=PORT, check="/", check_body=False),
        ),
    ),
)
