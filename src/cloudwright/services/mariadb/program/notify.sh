#!/bin/sh
# Keeps who is there now, and the members of each whole cluster, as the server tells them when it changes
# (wsrep_notify_cmd: options and values in turn; members as uuid/name/address, comma-separated).
# The server waits for it: so it is a shell, not Python.
set -eu
primary='' members=''
while [ $# -gt 1 ]; do
    case $1 in
        --primary) primary=$2 ;;
        --members) members=$2 ;;
    esac
    shift 2
done
[ -n "$members" ] || exit 0
printf '%s\n' "$members" >/run/mysqld/members
[ "$primary" = yes ] || exit 0
view=/var/lib/mysql/cloudwright.view
printf '%s\n' "$members" >$view.new
sync $view.new
mv $view.new $view
