set -eu
db=/var/lib/openvswitch/ovn-nb/ovnnb.db name=OVN_Northbound socket=/run/ovn/ovnnb_db
schema=/usr/share/ovn/ovn-nb.ovsschema
upgrade() {  # a cluster has one schema: a client raises it, once there is a leader
    ovsdb-client --timeout=60 wait unix:$socket.sock $name connected
    [ "$(ovsdb-client needs-conversion unix:$socket.sock $schema)" = no ] ||
        ovsdb-client --timeout=60 convert unix:$socket.sock $schema
}
upgrade &
exec ovsdb-server $db --remote=punix:$socket.sock --unixctl=$socket.ctl --no-chdir \
    --remote=pssl:6641:10.65.0.13 --remote=db:$name,NB_Global,connections \
    --private-key=/etc/cloudwright/tls.key --certificate=/etc/cloudwright/tls.crt --ca-cert=/etc/cloudwright/ca.pem -vconsole:info -vfile:off
