"""Our images as a deployer by the Kolla image contract runs them: starts, and whole services."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cloudwright.declare.users import KOLLA_USERS
from cloudwright.images.extend_start import images_of
from cloudwright.services import SERVICES
from tests.machine.kolla import CONFIG, Deployer, config, image, podman
from tests.unit.test_images_start import authority

IMAGES = {declared.name: declared for declared in images_of(SERVICES)}
PASSWORD = 'it\'s \\ a "secret"'
SUDO = [f"/usr/local/bin/kolla_{n}" for n in ("set_configs", "copy_cacerts", "install_projects")]
HEALTH = ("curl", "port", "listen", "socket", "filemod")


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with Deployer(folder=tmp_path_factory.mktemp("kolla")) as made:
        yield made


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_starts_as_the_contract_says(name: str, deployer: Deployer) -> None:
    """One container with everything in its `config.json` that a deployer uses."""
    owner = IMAGES[name].users[0] if IMAGES[name].users else "root"
    shared = {
        "source": f"{CONFIG}/ca-certificates",
        "dest": "/var/lib/kolla/share/ca-certificates",
        "owner": "root",
        "perm": "0644",
    }
    whole = config("sleep infinity", ("a.conf", "/etc/a/a.conf", owner, "0600"), service=name)
    whole["config_files"] = [*whole["config_files"], shared]  # type: ignore[misc]
    whole["files"] = [
        {"path": f"/var/log/kolla/{name}/x.log", "owner": f"{owner}:kolla", "perm": "0664"}
    ]
    pem = authority("deployer")
    deployer.lay_out(name, whole, {"a.conf": "x\n", "ca-certificates/root.crt": pem})
    container = deployer.start(name, name)
    deployer.wait(container, "pgrep", "-x", "sleep")
    deployer.exec(container, "kolla_set_configs", "--check", user="root")
    (deployer.folder / name / "a.conf").write_text("y\n")
    deployer.exec(container, "kolla_set_configs", "--check", code=1, user="root")
    assert deployer.exec(container, "stat", "-c", "%U:%G %a", "/var/log/kolla") == (
        "fluentd:kolla 2775\n"
    )
    (deployer.folder / "root.pem").write_text(pem)
    podman("cp", str(deployer.folder / "root.pem"), f"{container}:/tmp/root.pem")
    verify = ("openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", "/etc/ssl/certs")
    deployer.exec(container, *verify, "/tmp/root.pem")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_holds_what_the_contract_lists(name: str) -> None:
    seen = json.loads(podman("image", "inspect", image(name)))[0]["Config"]
    every = () if IMAGES[name].stops_all else ("--single-child",)
    assert seen["Entrypoint"] == ["dumb-init", *every, "--"]
    assert seen["Cmd"] == ["kolla_start"]
    environment = dict(line.split("=", 1) for line in seen["Env"])
    assert environment["PATH"].startswith("/var/lib/kolla/venv/bin:")
    assert {"KOLLA_BASE_DISTRO", "KOLLA_BASE_ARCH", "LANG"} <= set(environment)
    script = (
        "set -eu; cat /etc/passwd; echo --; id -nG; echo --; cd /usr/local/bin; "
        "for f in kolla_start kolla_extend_start kolla_set_configs kolla_copy_cacerts "
        f"kolla_install_projects {' '.join(f'healthcheck_{h}' for h in HEALTH)}; do "
        '[ -x "$f" ] || echo "no $f"; done; echo --; sudo -n -l; stat -c "%U:%G %a" /var/log/kolla'
    )
    said = podman("run", "--rm", "--network=none", "--entrypoint=bash", image(name), "-c", script)
    passwd, groups, missing, rights = said.split("--\n")
    numbers = {row[0]: row[2:4] for row in (line.split(":") for line in passwd.splitlines())}
    assert {n: numbers.get(n) for n in KOLLA_USERS} == {
        n: [str(number)] * 2 for n, number in KOLLA_USERS.items()
    }
    assert missing == ""
    assert "root:kolla 2775" in rights
    if IMAGES[name].user != "root":
        assert "kolla" in groups.split()
        assert [w for w in rights.split() if w.startswith("/usr/local/bin/kolla_")] == SUDO


MY_CNF = """\
[client]
[mysqld]
bind-address=127.0.0.1
port=3306
log_error=/var/log/kolla/mariadb/mariadb.log
log_bin=mysql-bin
binlog_format=ROW
innodb_autoinc_lock_mode=2
datadir=/var/lib/mysql/
wsrep_cluster_address=gcomm://
wsrep_node_address=127.0.0.1:4567
wsrep_provider_options=gmcast.listen_addr=tcp://127.0.0.1:4567
wsrep_provider=/usr/lib/galera/libgalera_smm.so
wsrep_cluster_name="kolla"
wsrep_on=ON
[server]
pid-file=/var/lib/mysql/mariadb.pid
"""
DATA = {"mariadb": "/var/lib/mysql"}


@pytest.fixture(scope="module")
def database(deployer: Deployer) -> str:
    """MariaDB, as it is bootstrapped and started; the name of its container."""
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    login = f'[client]\nuser=root\npassword="{quoted}"\nhost=127.0.0.1\nprotocol=tcp\n'
    whole = config(
        "/usr/bin/mariadbd-safe",
        ("galera.cnf", "/etc/mysql/my.cnf", "mysql", "0600"),
        ("healthcheck.cnf", "/etc/mysql/healthcheck.cnf", "mysql", "0600"),
        service="mariadb",
    )
    whole["permissions"] = [{"path": "/var/lib/mysql", "owner": "mysql:mysql", "recurse": True}]
    deployer.lay_out("mariadb", whole, {"galera.cnf": MY_CNF, "healthcheck.cnf": login})
    deployer.once(
        *("mariadb", "mariadb-server"), volumes=DATA, KOLLA_BOOTSTRAP="", DB_ROOT_PASSWORD=PASSWORD
    )
    container = deployer.start(
        "mariadb", "mariadb-server", volumes=DATA, BOOTSTRAP_ARGS="--wsrep-new-cluster"
    )
    options = "--defaults-file /etc/mysql/healthcheck.cnf --connect --galera_online"
    deployer.wait(container, "/usr/bin/healthcheck.sh", *options.split())
    return container


def ask(deployer: Deployer, database: str, statement: str) -> str:
    """The rows of a statement, tab-separated."""
    words = ("mariadb", "--defaults-file=/etc/mysql/healthcheck.cnf", "-BN", "-e", statement)
    return deployer.exec(database, *words)


def test_mariadb_is_bootstrapped_upgraded_and_stopped(deployer: Deployer, database: str) -> None:
    accounts = ask(deployer, database, "SELECT Host FROM mysql.user WHERE User = 'root'")
    assert sorted(accounts.split()) == ["%", "localhost"]
    upgrade = {"DB_HOST": "127.0.0.1", "DB_PORT": "3306", "DB_ROOT_PASSWORD": PASSWORD}
    deployer.once("mariadb", "mariadb-server", volumes=DATA, KOLLA_UPGRADE="", **upgrade)
    second = deployer.start("mariadb", "mariadb-server", volumes=DATA, KOLLA_SKIP_EXTEND_START="1")
    podman("rm", "--force", "--time=0", second)


CONF = """\
[DEFAULT]
log_dir = /var/log/kolla/{service}
use_stderr = true
transport_url = rabbit://openstack:x@127.0.0.1:5672//
core_plugin = ml2
[{section}]
connection = mysql+pymysql://{service}:x@127.0.0.1:3306/{service}
[api_database]
connection = mysql+pymysql://{service}:x@127.0.0.1:3306/{service}_api
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project with a database, and what a deployer asks of its image besides KOLLA_BOOTSTRAP."""

    service: str
    image: str
    conf: str
    tables: tuple[str, ...]
    asks: tuple[str, ...]
    section: str = "database"

    def __str__(self) -> str:
        return self.service


PROJECTS = (
    Project(
        service="keystone",
        image="keystone",
        conf="/etc/keystone/keystone.conf",
        tables=("keystone.project",),
        asks=("KOLLA_UPGRADE", "KOLLA_FINISH_UPGRADE"),
    ),
    Project(
        service="glance",
        image="glance-api",
        conf="/etc/glance/glance-api.conf",
        tables=("glance.images", "glance.metadef_namespaces"),
        asks=tuple(f"KOLLA_UPGRADE GLANCE_DB_{p}" for p in ("EXPAND", "MIGRATE", "CONTRACT")),
    ),
    Project(
        service="placement",
        image="placement-api",
        conf="/etc/placement/placement.conf",
        section="placement_database",
        tables=("placement.allocations",),
        asks=("KOLLA_UPGRADE", "KOLLA_OSM"),
    ),
    Project(
        service="neutron",
        image="neutron-server",
        conf="/etc/neutron/neutron.conf",
        tables=("neutron.ports",),
        asks=tuple(f"KOLLA_UPGRADE NEUTRON_DB_{p}" for p in ("EXPAND", "CONTRACT")),
    ),
    Project(
        service="nova",
        image="nova-api",
        conf="/etc/nova/nova.conf",
        tables=("nova.instances", "nova_api.cell_mappings"),
        asks=("KOLLA_UPGRADE", "KOLLA_OSM"),
    ),
)


def lay_out(deployer: Deployer, project: Project, command: str, **more: str) -> None:
    """The project's folder: its configuration, and files of `more` (name → text)."""
    name, owner = project.conf.rpartition("/")[2], project.service
    folder = project.conf.rpartition("/")[0]
    files = [(name, project.conf, owner, "0600")]
    files += [(other, f"{folder}/{other}", owner, "0600") for other in more]
    if owner == "neutron":
        files.append(("ml2_conf.ini", "/etc/neutron/plugins/ml2/ml2_conf.ini", owner, "0600"))
        more["ml2_conf.ini"] = "[ml2]\nmechanism_drivers = logger\n"
    whole = config(command, *files, service=owner)
    text = CONF.format(service=owner, section=project.section)
    deployer.lay_out(owner, whole, {name: text, **more})


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_a_deployer_makes_and_raises_a_schema(
    project: Project, deployer: Deployer, database: str
) -> None:
    """As root, which is whom a deployer may start the container as, and as the image's user."""
    lay_out(deployer, project, "false")
    name = project.service
    for schema in (name, f"{name}_api"):
        ask(deployer, database, f"CREATE DATABASE IF NOT EXISTS {schema}")
        ask(deployer, database, f"GRANT ALL ON {schema}.* TO {name}@'%' IDENTIFIED BY 'x'")
    deployer.once(name, project.image, "--user=root", KOLLA_BOOTSTRAP="")
    for table in project.tables:
        ask(deployer, database, f"SELECT 1 FROM {table} LIMIT 1")
    for asked in project.asks:
        deployer.once(name, project.image, **dict.fromkeys(asked.split(), ""))
    log = podman("run", "--rm", f"--volume={deployer.mark}-kolla_logs:/l", "--entrypoint=find",
                 image(project.image), "/l", "-user", "root", "-name", "*.log")  # fmt: skip
    assert name not in log


UWSGI = """\
[uwsgi]
add-header = Connection: close
buffer-size = 65535
die-on-term = true
enable-threads = true
http = 127.0.0.1:{port}
http-auto-chunked = true
http-chunked-input = true
http-raw-body = true
lazy-apps = true
logto2 = /var/log/kolla/{service}/{service}-uwsgi.log
master = true
module = {module}
plugins-dir = /usr/lib/uwsgi/plugins
plugins = python3
processes = 1
socket-timeout = 30
thunder-lock = true
uid = {service}
static-map = /static=/var/lib/kolla/venv/lib/python3/site-packages/static
"""


def test_keystone_serves_and_is_bootstrapped(deployer: Deployer, database: str) -> None:
    """Schema, keys, start, the first user: what comes before everything else in a deployment."""
    keystone = PROJECTS[0]
    test_a_deployer_makes_and_raises_a_schema(keystone, deployer, database)
    ini = UWSGI.format(port=5000, service="keystone", module="keystone.wsgi.api:application")
    command = "uwsgi /etc/keystone/keystone-api-uwsgi.ini"
    lay_out(deployer, keystone, command, **{"keystone-api-uwsgi.ini": ini})
    tokens = {"fernet_tokens": "/etc/keystone/fernet-keys"}
    setup = "fernet_setup --keystone-user keystone --keystone-group keystone"
    script = f"sudo -E kolla_set_configs && keystone-manage {setup}"
    options = deployer.options("keystone", tokens, {})
    podman("run", "--rm", "--user=root", *options, image("keystone"), "bash", "-c", script)
    container = deployer.start("keystone", "keystone-api", volumes=tokens)
    deployer.wait(container, "healthcheck_curl", "http://127.0.0.1:5000/v3")
    deployer.exec(container, "healthcheck_listen", "uwsgi", "5000")
    url, admin = "http://127.0.0.1:5000", ("admin", PASSWORD, "admin", "admin")
    words = ("kolla_keystone_bootstrap", *admin, url, url, "RegionOne")
    for changed in (True, False):
        said = deployer.exec(container, *words).splitlines()[-1]
        assert json.loads(said) == {"failed": False, "changed": changed}
    deployer.exec(container, "kolla_keystone_bootstrap", "one", code=1)


def test_horizon_serves_a_deployers_settings(deployer: Deployer, database: str) -> None:
    """With sessions in the deployer's database, which its bootstrap makes the tables of."""
    ask(deployer, database, "CREATE DATABASE IF NOT EXISTS dashboard")
    ask(deployer, database, "GRANT ALL ON dashboard.* TO dashboard@'%' IDENTIFIED BY 'x'")
    settings = (
        "DEBUG = False\nALLOWED_HOSTS = ['*']\nCOMPRESS_OFFLINE = True\nLOCAL_PATH = '/tmp'\n"
        "SECRET_KEY = 'x'\nOPENSTACK_KEYSTONE_URL = 'http://127.0.0.1:5000/v3'\n"
        "SITE_BRANDING = 'Cloud of a deployer'\n"
        "SESSION_ENGINE = 'django.contrib.sessions.backends.db'\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', 'NAME': 'dashboard',\n"
        "  'HOST': '127.0.0.1', 'PORT': '3306', 'USER': 'dashboard', 'PASSWORD': 'x'}}\n"
        "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}\n"
    )
    ini = UWSGI.format(port=8080, service="horizon", module="openstack_dashboard.wsgi:application")
    folder = "/etc/openstack-dashboard/local_settings.d"
    whole = config(
        "uwsgi /etc/horizon/horizon-uwsgi.ini",
        ("horizon-uwsgi.ini", "/etc/horizon/horizon-uwsgi.ini", "horizon", "0600"),
        ("settings.py", f"{folder}/_9998-settings.py", "horizon", "0600"),
        service="horizon",
    )
    deployer.lay_out("horizon", whole, {"settings.py": settings, "horizon-uwsgi.ini": ini})
    deployer.once("horizon", "horizon", KOLLA_BOOTSTRAP="")
    assert ask(deployer, database, "SELECT COUNT(*) FROM dashboard.django_session") == "0\n"
    container = deployer.start("horizon", "horizon")
    deployer.wait(container, "healthcheck_curl", "http://127.0.0.1:8080/auth/login/")
    page = deployer.exec(container, "curl", "-s", "http://127.0.0.1:8080/auth/login/")
    assert "Cloud of a deployer" in page
    styles = re.findall(r'href="(/static/dashboard/css/[^"]+)"', page)
    assert styles
    for style in styles:
        deployer.exec(container, "healthcheck_curl", f"http://127.0.0.1:8080{style}")


def test_rabbitmq_is_bootstrapped_and_healthy(deployer: Deployer) -> None:
    volumes = {"rabbitmq": "/var/lib/rabbitmq/"}
    environment = (
        "RABBITMQ_NODENAME=rabbit@localhost\nRABBITMQ_LOG_BASE=/var/log/kolla/rabbitmq\n"
        "export ERL_EPMD_ADDRESS=127.0.0.1\n"
    )
    whole = config(
        "/usr/sbin/rabbitmq-server",
        ("rabbitmq-env.conf", "/etc/rabbitmq/rabbitmq-env.conf", "rabbitmq", "0600"),
        ("rabbitmq.conf", "/etc/rabbitmq/rabbitmq.conf", "rabbitmq", "0600"),
        service="rabbitmq",
    )
    whole["permissions"] = [
        {"path": "/var/lib/rabbitmq", "owner": "rabbitmq:rabbitmq", "recurse": True}
    ]
    files = {"rabbitmq-env.conf": environment, "rabbitmq.conf": "listeners.tcp.1 = 127.0.0.1:5672"}
    deployer.lay_out("rabbitmq", whole, files)
    for cookie in ("first", "second"):
        deployer.once(
            *("rabbitmq", "rabbitmq"),
            volumes=volumes,
            KOLLA_BOOTSTRAP="",
            RABBITMQ_CLUSTER_COOKIE=cookie,
        )
    container = deployer.start("rabbitmq", "rabbitmq", volumes=volumes)
    deployer.wait(container, "healthcheck_rabbitmq")
    path = "/var/lib/rabbitmq/.erlang.cookie"
    assert deployer.exec(container, "cat", path) == "second\n"
    assert deployer.exec(container, "stat", "-c", "%U %a", path) == "rabbitmq 400\n"
    deployer.exec(container, "healthcheck_listen", "beam", "5672")
    deployer.exec(container, "healthcheck_listen", "beam", "5673", code=1)
    deployer.exec(container, "healthcheck_listen", "nobody", "5672", code=1)
    talk = "exec 3<>/dev/tcp/127.0.0.1/5672; touch /tmp/talks; sleep infinity"
    podman("exec", "--detach", container, "bash", "-c", talk)
    deployer.wait(container, "test", "-e", "/tmp/talks")
    deployer.exec(container, "healthcheck_port", "sleep", "1", "5672")
    deployer.exec(container, "healthcheck_port", "sleep", "1", code=1)
    deployer.exec(container, "healthcheck_filemod", "/tmp/talks", "86400")
    deployer.exec(container, "healthcheck_filemod", "/tmp/none", "86400", code=1)
