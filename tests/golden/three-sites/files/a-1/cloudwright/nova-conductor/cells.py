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
