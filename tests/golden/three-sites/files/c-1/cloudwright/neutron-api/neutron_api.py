"""Neutron's API as a worker of uWSGI loads it."""

import dead_peers  # noqa: F401  (before all of Neutron's that they alter)
import hash_ring  # noqa: F401
from neutron import policy
from neutron.wsgi.api import application  # noqa: F401

# Neutron reads its policy at the first request, without a lock: requests that come meanwhile find
# no rules and are refused.
policy.init()
