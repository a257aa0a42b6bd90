set -eu
db=/var/lib/openvswitch/conf.db
schema=/usr/share/openvswitch/vswitch.ovsschema
[ -s $db ] || { rm -f $db; ovsdb-tool create $db $schema; }
[ "$(ovsdb-tool needs-conversion $db $schema)" = no ] || ovsdb-tool convert $db $schema
open_to_group() {  # the server's umask is its own; agents that are not root are in this group
    ovsdb-client --timeout=60 wait unix:/run/openvswitch/db.sock Open_vSwitch connected
    chgrp openvswitch /run/openvswitch/db.sock && chmod 0770 /run/openvswitch/db.sock
}
open_to_group &
exec ovsdb-server $db --remote=punix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/ovsdb-server.ctl \
    --remote=db:Open_vSwitch,Open_vSwitch,manager_options --no-chdir -vconsole:info -vfile:off
