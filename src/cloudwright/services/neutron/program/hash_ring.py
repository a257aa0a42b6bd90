"""Who handles OVN's events when a worker of Neutron's API comes, or dies without a word.

Runs inside the container, in every worker of the API. Each of OVN's events belongs to one worker,
by a hash ring of those that have lately touched their row in Neutron's database. Neutron's times
for that are constants, not options: an event of a worker that died is lost for up to 180 s, and
with it the word to Nova that the port of an instance is up, for which the instance waits 300 s.
And Neutron lets a worker join before it is connected to OVN: what falls to it waits until it is.
"""

from __future__ import annotations

import datetime
from typing import Any

from futurist import periodics
from neutron.common.ovn import constants

TOUCH_SECONDS = 2
"""Between two touches; also how long a worker trusts its memory of who is alive."""

DEAD_SECONDS = 8
"""Who has not touched its row for so long is out. A worker that was only slow has its events
handled twice, which is harmless. Clocks further apart than `check --hosts` lets them be have the
same effect."""

constants.HASH_RING_TOUCH_INTERVAL = TOUCH_SECONDS
constants.HASH_RING_CACHE_TIMEOUT = TOUCH_SECONDS
constants.HASH_RING_NODES_TIMEOUT = DEAD_SECONDS

# Below the constants: the time between two touches is read as this is loaded.
from neutron.common import utils as times  # noqa: E402
from neutron.common.ovn import hash_ring_manager, utils  # noqa: E402
from neutron.db import models_v2 as models  # noqa: E402
from neutron.db import ovn_hash_ring_db as database  # noqa: E402
from neutron.plugins.ml2.drivers.ovn.mech_driver import mech_driver  # noqa: E402
from neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb import (  # noqa: E402
    impl_idl_ovn,
    maintenance,
)
from neutron_lib import constants as ports  # noqa: E402
from neutron_lib import context as contexts  # noqa: E402
from neutron_lib.db import api  # noqa: E402
from neutron_lib.plugins import directory  # noqa: E402
from oslo_log import log  # noqa: E402

LOG = log.getLogger(__name__)

LOOKS = 3
"""How often ports are looked through after a worker is lost, or came. The first look comes before
every worker knows of it, so an event may still go astray after it; the last does not."""

WAITING = (ports.PORT_STATUS_DOWN, ports.PORT_STATUS_BUILD)


class Ring(hash_ring_manager.HashRingManager):  # type: ignore[misc]
    """What one worker remembers of the ring.

    Neutron's own asks its database at every event until all workers of the host are in: at the
    start of a worker that is each of OVN's ports. A memory of two seconds needs no such care.
    """

    def __init__(self, group: str) -> None:
        super().__init__(group)
        self._check_hashring_startup = False

    def forget(self) -> None:
        """The next event's owner is looked up anew, by the thread that asks."""
        self._last_time_loaded = datetime.datetime.min


class Driver(mech_driver.OVNMechanismDriver):  # type: ignore[misc]
    """Joins the ring once it hears OVN, where others are there to handle what comes meanwhile."""

    _joins_later = False

    def _setup_hash_ring(self) -> None:
        context = contexts.get_admin_context()
        since = times.ts_to_datetime(self.start_time)
        database.remove_nodes_from_host(context, self.hash_ring_group, created_at=since)
        others = database.get_active_nodes(context, DEAD_SECONDS, self.hash_ring_group)
        self._joins_later = bool(others)
        if not others:
            super()._setup_hash_ring()

    def connected(self, databases: tuple[Any, ...]) -> None:
        """What came until now, others have handled; from now on this worker does its part."""
        if self._joins_later:
            super()._setup_hash_ring()
            for database_ in databases:
                database_.ovsdb_connection.idl._hash_ring.forget()


class Watch(maintenance.HashRingHealthCheckPeriodics):  # type: ignore[misc]
    """A worker's touches, and what it takes over from one that is gone."""

    def __init__(self, group: str, node_uuid: str) -> None:
        super().__init__(group, node_uuid)
        self._me = node_uuid
        self._ring = Ring(group)
        self._alive: set[str] = set()
        self._looks = LOOKS

    @periodics.periodic(spacing=TOUCH_SECONDS)  # type: ignore[untyped-decorator]
    def take_over(self) -> None:
        """Looks for ports whose "up" went to a lost worker, and handles those that are now ours.

        A worker that left in an orderly way is looked after, too: what came while it stopped was
        handled by nobody.
        """
        nodes = database.get_active_nodes(self.ctx, DEAD_SECONDS, self._group)
        alive = {str(node.node_uuid) for node in nodes}
        if gone := self._alive - alive:
            LOG.warning("Workers lost from the hash ring: %s", ", ".join(sorted(gone)))
            self._looks = LOOKS
        self._alive = alive
        driver = directory.get_plugin().mechanism_manager.mech_drivers["ovn"].obj
        # Who waited here for OVN would not touch its row meanwhile.
        if self._looks and driver._post_fork_event.is_set():
            self._handle(driver, unhandled(self.ctx))
            self._looks -= 1

    def _handle(self, driver: Any, waiting: set[str]) -> None:
        self._ring.refresh()
        for row in list(driver.nb_ovn.tables["Logical_Switch_Port"].rows.values()):
            if row.name in waiting and utils.is_lsp_up(row) and utils.is_lsp_enabled(row):
                owner, _ = self._ring.get_node(str(row.uuid))
                if owner == self._me:
                    LOG.warning("Taking over port %s, which is up and not known to be", row.name)
                    driver.set_port_status_up(row.name)


def unhandled(context: Any) -> set[str]:
    """The ids of all ports that Neutron does not know to be up."""
    with api.CONTEXT_READER.using(context):
        query = context.session.query(models.Port.id).filter(models.Port.status.in_(WAITING))
        return {str(row.id) for row in query}


def get_ovn_idls(driver: Any, trigger: Any) -> tuple[Any, ...]:
    """Neutron's connections to OVN's databases, all that is in them heard."""
    databases: tuple[Any, ...] = connect(driver, trigger)
    driver.connected(databases)
    return databases


connect = impl_idl_ovn.get_ovn_idls
impl_idl_ovn.get_ovn_idls = get_ovn_idls
hash_ring_manager.HashRingManager = Ring
maintenance.HashRingHealthCheckPeriodics = Watch
mech_driver.OVNMechanismDriver = Driver
