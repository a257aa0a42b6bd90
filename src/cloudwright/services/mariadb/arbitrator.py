"""A voter without data, in a site that only votes: it breaks the tie between two others."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.rollout import Quorum
from cloudwright.declare.service import HEARTBEAT_SHARES, CommandHealth, Container, File, Files
from cloudwright.declare.tls import Tls
from cloudwright.services.mariadb.conf import GALERA_PORT, group

START_PATH = "/etc/cloudwright/start.sh"

CONNECTED = f"ss -Htn state established | grep -q ':{GALERA_PORT}'"
"""It has no question to be asked; a member that it lost is a connection that is gone."""

# garbd can only join, and ends where there is nobody to join. Where all members were started anew
# it forgets them, and never asks again.
START = """\
members="{members}"
somebody_answers() {{
    for member in $members; do
        timeout 1 bash -c ": </dev/tcp/$member/{port}" 2>/dev/null && return
    done
    return 1
}}
until somebody_answers; do sleep 0.5; done
garbd --name={name} --group={cluster} --address=gcomm://{addresses} --options='{options}' &
garbd=$!
trap 'kill $garbd' TERM INT
alone=0
while kill -0 $garbd 2>/dev/null; do
    sleep 2
    if {connected}; then alone=0; elif somebody_answers; then alone=$((alone + 1)); fi
    [ $alone -lt {looks} ] || kill $garbd
done
wait $garbd
"""

LOOKS = 5
"""So often, two seconds apart, a member answers that it has no connection to: it forgot it."""


def files(at: At) -> Files:
    """Its start script; it has no data, and no configuration but arguments."""
    members = [host.address for host in at.controllers]
    script = START.format(
        members=" ".join(members),
        port=GALERA_PORT,
        connected=CONNECTED,
        looks=LOOKS,
        name=at.host.name,
        cluster=at.cloud.name,
        addresses=",".join(f"{address}:{GALERA_PORT}" for address in members),
        options=";".join(f"{key}={value}" for key, value in group(at).items()),
    )
    return {"start.sh": File(content=script, path=START_PATH, mode="0644")}


container = Container(
    name="mariadb-arbitrator",
    role="witness",
    command=f"bash {START_PATH}",
    files=files,
    rollout=Quorum(cluster="mariadb", speaks="tls"),
    tls=Tls(owner="mysql"),
    cpu_shares=HEARTBEAT_SHARES,
    health=CommandHealth(command=("sh", "-c", CONNECTED)),
    listens=lambda at: at.here(GALERA_PORT),
)
