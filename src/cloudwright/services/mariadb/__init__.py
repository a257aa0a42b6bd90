"""MariaDB keeps what every other service must not forget; Galera keeps its members alike."""

from __future__ import annotations

from cloudwright.declare import member
from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.library import LIBRARY, library
from cloudwright.declare.oslo import DATABASE_AGENT_PORT, OWN_BALANCER
from cloudwright.declare.reload import Reload
from cloudwright.declare.rollout import Alone, Quorum
from cloudwright.declare.service import (
    HEARTBEAT_SHARES,
    Container,
    File,
    Files,
    HttpHealth,
    Permission,
    Service,
    Volume,
)
from cloudwright.declare.template import programs, render, resource
from cloudwright.declare.tls import Tls
from cloudwright.services import selffence
from cloudwright.services.mariadb import arbitrator
from cloudwright.services.mariadb.conf import (
    DATA,
    LOG_FILE_SIZE,
    NOTIFY,
    SOCKET,
    listens,
    settings,
)

"""The member's agent: tells the other members what it holds, and load balancers if it is whole."""

MONITOR = "monitor"
RELOAD = f"{LIBRARY}/reload"
FRESH = "/usr/share/cloudwright/mariadb.tar"


def files(at: At) -> Files:
    accounts = render(
        __name__,
        "init.sql.j2",
        root=at.password("root/database"),
        transfer=at.password("transfer/database"),
        monitor=MONITOR,
    )
    return {
        "my.cnf": File(content=settings(at), path="/etc/mysql/my.cnf", owner="mysql"),
        # One statement a line, as the server reads them; run at each start, so that the accounts
        # are those declared, whatever the data says.
        "init.sql": File(content=accounts, path="/etc/mysql/init.sql", owner="mysql"),
        "notify": File(
            content=resource(__name__, "program", "notify.sh"), path=NOTIFY, mode="0755"
        ),
        "reload": File(
            content=resource(__name__, "program", "reload.py"), path=RELOAD, mode="0755"
        ),
        **selffence.client(),
        **library(__name__, "program/component.py", "program/server.py"),
        **member.program(
            at,
            at.controllers,
            package=__name__,
            adapter="galera.py",
            port=DATABASE_AGENT_PORT,
            owner="mysql",
            settings={
                "data": DATA,
                "fresh": FRESH,
                "socket": SOCKET,
                "monitor": MONITOR,
                "fence": [at.host.address, selffence.PORT],
            },
        ),
    }


service = Service(
    name="mariadb",
    summary="relational database",
    image=Image(
        name="mariadb",
        packages=(
            "mariadb-server",
            "mariadb-backup",
            "galera-4",
            "galera-arbitrator-4",
            "python3-pymysql",
            "socat",
        ),
        users=("mysql",),
        user="mysql",
        run=(
            # An empty volume would be filled from what the package left here.
            f"find {DATA} -mindepth 1 -delete",
            f"install -d -o mysql -g mysql /run/mysqld {DATA}",
            # Made once here rather than on each host: 3 seconds less at the first start.
            "d=$(mktemp -d) && chown mysql $d && mariadb-install-db --no-defaults --user=mysql"
            " --datadir=$d/data --auth-root-authentication-method=normal --skip-test-db"
            f" --skip-name-resolve --innodb-log-file-size={LOG_FILE_SIZE}"
            # Nine tenths of it are zeros, which the copy leaves out.
            " && cp -a --sparse=always $d/data $d/sparse"
            f" && mkdir -p {FRESH.rpartition('/')[0]} && tar -C $d/sparse -S -cf {FRESH} ."
            " && rm -rf $d",
            # Who gives the whole state sleeps for 10 s before it does, until the receiver listens
            # again; `sockopt` has it try until then.
            "sed -i 's/^\\( *\\)sleep 10$/\\1true/' /usr/bin/wsrep_sst_mariabackup",
        ),
        links={"/usr/bin/healthcheck.sh": "/usr/local/bin/healthcheck.sh"},
        start=resource(__name__, "extend_start"),
        programs=programs(__name__, "healthcheck.sh"),
        # `mariadbd-safe`, which the contract's deployer starts, does not pass a signal on.
        stops_all=True,
        names=("mariadb-server",),
    ),
    containers=(
        Container(
            name="mariadb",
            role="control",
            command=member.COMMAND,
            files=files,
            volumes=(Volume(name="mariadb", path=DATA),),
            permissions=(
                Permission(path=DATA, owner="mysql:mysql", mode="0755"),
                Permission(path="/run/mysqld", owner="mysql:mysql", mode="0755"),
            ),
            health=HttpHealth(port=DATABASE_AGENT_PORT, path=member.READY, seconds=300),
            listens=listens,
            rollout=Quorum(cluster="mariadb", speaks="tls"),
            # Clients come through a load balancer, and look for the address that they called.
            tls=Tls(
                owner="mysql",
                also=lambda cloud: (cloud.api.internal, OWN_BALANCER),
                reload=True,
            ),
            reload=Reload(command=(RELOAD,)),
            cpu_shares=HEARTBEAT_SHARES,
            stop_seconds=120,
            alone=Alone(
                how="the member that knows most founds the cluster anew, with a new history",
                lost="changes in the last moments that only the dead ones have",
            ),
        ),
        arbitrator.container,
    ),
)
