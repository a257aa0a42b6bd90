"""What Horizon's container image is made of."""

from __future__ import annotations

from cloudwright.declare.image import Image
from cloudwright.declare.template import resource

SETTINGS = "/etc/openstack-dashboard/local_settings.py"
SETTINGS_FOLDER = "/etc/openstack-dashboard/local_settings.d"
SESSIONS = "horizon-sessions"
SESSIONS_PROGRAM = resource(__package__, "program", "sessions.py")
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

DRIVER = (
    f"printf 'import pymysql\\n\\npymysql.install_as_MySQLdb()\\n'"
    f" > $({PYTHON} -c 'import pymysql; print(pymysql.__path__[0])')/../MySQLdb.py"
)
"""Django's own driver is written in C; PyMySQL takes its name, as its documentation says. So
whoever's settings name a database find it."""


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


IMAGE = Image(
    name="horizon",
    parent="openstack-base",
    projects=("horizon",),
    users=("horizon",),
    user="horizon",
    run=(*_static_files(), DRIVER),
    start=resource(__package__, "extend_start"),
    programs={SESSIONS: SESSIONS_PROGRAM},
)
