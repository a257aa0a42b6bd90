"""Nova's cells: cell0 for what was never placed, cell1 for everything that runs."""

from __future__ import annotations

from cloudwright.declare import oslo
from cloudwright.declare.at import At
from cloudwright.declare.service import Database, File, Files, Job
from cloudwright.services.nova.conf import CELL0_CONF, CONF, OPTIONS, daemon_files

SCRIPT_PATH = "/etc/nova/cells.py"

SCRIPT = '''\
"""Makes or corrects the two cell mappings: name, uuid, queue and database from the arguments.

One process instead of the two that nova-manage needs, and correct when run again.
"""

import sys

from nova import monkey_patch

monkey_patch.patch(backend="threading")

from nova import config, context, exception, objects

config.parse_args(["nova-manage"])
objects.register_all()
admin = context.get_admin_context()
for cell in sys.argv[1:]:
    name, uuid, queue, database = cell.split(" ")
    try:
        mapping = objects.CellMapping.get_by_uuid(admin, uuid)
    except exception.CellMappingNotFound:
        mapping = objects.CellMapping(admin, uuid=uuid)
    mapping.name, mapping.transport_url, mapping.database_connection = name, queue, database
    mapping.save() if "id" in mapping else mapping.create()
'''

CELL0 = "00000000-0000-0000-0000-000000000000"
CELL1 = "00000000-0000-0000-0000-000000000001"


def conductor_files(at: At) -> Files:
    """The conductor's, and what the jobs need that run like it."""
    return {
        **daemon_files(at),
        "cell0.conf": File(
            content=oslo.database(at, "nova_cell0", user="nova"),
            path=CELL0_CONF,
            owner="nova",
            options=OPTIONS,
        ),
        "cells.py": File(content=SCRIPT, path=SCRIPT_PATH, owner="nova"),
    }


def map_cells(at: At) -> str:
    """Both mappings as templates, which Nova fills from its own configuration: no password
    stands in the database. Without numbers, they fit one address as well as the several members
    of a queue that older files name: these are one long password to who takes them apart.
    """
    server = "{scheme}://{username}:{password}@{hostname}:{port}"
    cell0 = f"cell0 {CELL0} none:/// {server}/nova_cell0?{{query}}"
    cell1 = f"cell1 {CELL1} {server}// {server}/{{path}}?{{query}}"
    return f"python {SCRIPT_PATH} '{cell0}' '{cell1}'"


# Two of them at once may find the same host, and the later one says so by 2: it looks again.
DISCOVER = (
    "for try in 1 2 3 4 5 6 7 8; do code=0; "
    "OS_NOVA_DISABLE_EVENTLET_PATCHING=1 nova-manage cell_v2 discover_hosts || code=$?; "
    "[ $code = 2 ] || break; done; exit $code"
)

ONLINE = "nova-manage db online_data_migrations"

databases = (
    Database(
        name="nova_api",
        user="nova",
        create="nova-manage api_db sync",
        like="nova-conductor",
        conf=CONF,
        section="api_database",
    ),
    Database(
        name="nova_cell0",
        user="nova",
        create=f"nova-manage --config-file {CONF} --config-file {CELL0_CONF} db sync --local_cell",
        like="nova-conductor",
        conf=CELL0_CONF,
        apart=True,
    ),
    Database(
        name="nova",
        user="nova",
        create="nova-manage db sync --local_cell",
        like="nova-conductor",
        conf=CONF,
        online=ONLINE,
    ),
)

jobs = (
    Job(
        name="cells",
        command=map_cells,
        like="nova-conductor",
        probe=f"SELECT 1 FROM nova_api.cell_mappings WHERE uuid = '{CELL1}'",
        needs=("nova/schema-nova_api",),
    ),
    Job(
        name="hosts",
        command=lambda at: DISCOVER,
        like="nova-conductor",
        each="compute",
        ready="SELECT 1 FROM nova.compute_nodes WHERE host = '{host}' AND deleted = 0 LIMIT 1",
        probe="SELECT 1 FROM nova_api.host_mappings WHERE host = '{host}' LIMIT 1",
        needs=("nova/cells", "@nova-compute"),
    ),
)
