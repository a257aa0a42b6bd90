"""Keystone's API as a worker of uWSGI loads it."""

from keystone.common.rbac_enforcer import policy
from keystone.wsgi.api import application  # noqa: F401

# Keystone makes its policy at the first request that asks for it, without a lock: who asks at the
# same moment finds a part of the rules, and is refused what is his.
policy._ENFORCER._enforcer.load_rules()
