set -eu
ovs-vsctl --timeout=30 --no-wait --db=unix:/run/openvswitch/db.sock init
modprobe openvswitch && modprobe geneve
exec ovs-vswitchd unix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/ovs-vswitchd.ctl --no-chdir \
    -vconsole:info -vfile:off
