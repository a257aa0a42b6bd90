#!/bin/bash
# Healthy when every test that is named holds: --connect, --galera_online, --innodb_initialized.
# --defaults-file and --defaults-extra-file say how to log in; MariaDB's own image takes the same.
set -eu
defaults=()
ask() { mariadb "${defaults[@]}" --batch --skip-column-names --connect-timeout=10 -e "$1"; }
[ $# -gt 0 ] || { echo "no test is named" >&2; exit 1; }
while [ $# -gt 0 ]; do
    case $1 in
        --defaults-file | --defaults-extra-file) defaults=("$1=$2"); shift ;;
        --defaults-file=* | --defaults-extra-file=*) defaults=("$1") ;;
        --connect) ask "SELECT 1" >/dev/null ;;
        # 4 is Synced, https://galeracluster.com/library/documentation/node-states.html
        --galera_online) ask "SHOW STATUS LIKE 'wsrep_local_state'" | grep -qxP 'wsrep_local_state\t4' ;;
        --innodb_initialized)
            ask "SELECT 1 FROM information_schema.engines
                WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT')" | grep -qx 1 ;;
        *) echo "unknown test: $1" >&2; exit 1 ;;
    esac
    shift
done
