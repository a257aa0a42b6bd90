"""Shell that starts the switch and its database, and that takes away what they made."""

from __future__ import annotations

SOCKET = "unix:/run/openvswitch/db.sock"

DATABASE_START = f"""\
set -eu
db=/var/lib/openvswitch/conf.db
schema=/usr/share/openvswitch/vswitch.ovsschema
[ -s $db ] || {{ rm -f $db; ovsdb-tool create $db $schema; }}
[ "$(ovsdb-tool needs-conversion $db $schema)" = no ] || ovsdb-tool convert $db $schema
open_to_group() {{  # the server's umask is its own; agents that are not root are in this group
    ovsdb-client --timeout=60 wait {SOCKET} Open_vSwitch connected
    chgrp openvswitch /run/openvswitch/db.sock && chmod 0770 /run/openvswitch/db.sock
}}
open_to_group &
exec ovsdb-server $db --remote=p{SOCKET} --unixctl=/run/openvswitch/ovsdb-server.ctl \\
    --remote=db:Open_vSwitch,Open_vSwitch,manager_options --no-chdir -vconsole:info -vfile:off
"""

SWITCH_START = f"""\
set -eu
ovs-vsctl --timeout=30 --no-wait --db={SOCKET} init
%s
exec ovs-vswitchd {SOCKET} --unixctl=/run/openvswitch/ovs-vswitchd.ctl --no-chdir \\
    -vconsole:info -vfile:off
"""

KERNEL = "modprobe openvswitch && modprobe geneve"

# Packets that instances and virtual cards leave for hardware to sum are summed by OVS only in this
# mode, which it reads as it starts: without it, TCP through a user-space switch never connects.
USERSPACE = (
    f"ovs-vsctl --timeout=30 --no-wait --db={SOCKET} "
    "set Open_vSwitch . other_config:userspace-tso-enable=true"
)

# A switch in user space makes tunnels only from an address of its own bridge. What the card was
# and had is kept where a later look at the host finds it.
TUNNEL = """
move_address() {{
    until ip link show {bridge} >/dev/null 2>&1; do sleep 0.1; done
    echo "{card} {address}" >/run/openvswitch/tunnel
    ip address delete {address} dev {card} 2>/dev/null || true
    ip address replace {address} dev {bridge} && ip link set {bridge} up
}}
move_address &"""

# Bridges, and taps that others made for instances, are devices of the kernel and stay there. The
# card that was given to a bridge gets its address back.
FAREWELL = """\
for bridge in $(ovs-vsctl list-br); do
    for tap in $(ovs-vsctl list-ports "$bridge" | grep ^tap); do
        ovs-vsctl del-port "$tap"
        [ ! -e "/sys/class/net/$tap" ] || ip link delete "$tap"
    done
    ovs-vsctl del-br "$bridge" && echo "removed bridge $bridge"
done
if read -r card address </run/openvswitch/tunnel; then
    ip address replace "$address" dev "$card" && echo "gave $address back to $card"
fi 2>/dev/null
"""
