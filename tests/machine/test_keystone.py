"""What Keystone's image makes of the module that we lay beside its API.

The image is the one that `make ready` built.
"""

from __future__ import annotations

from tests.machine.programs import said

LOADED = """\
import json, os
from cryptography.fernet import Fernet
os.makedirs("/etc/keystone/fernet-keys", exist_ok=True)
for name in "01":
    with open(f"/etc/keystone/fernet-keys/{name}", "wb") as key:
        key.write(Fernet.generate_key())
from keystone.wsgi import api
from keystone.common.rbac_enforcer import enforcer


def made():
    made = enforcer.RBACEnforcer._RBACEnforcer__ENFORCER or next(
        (value for name, value in vars(policy._ENFORCER).items() if name.endswith("ENFORCER")),
        None,
    )
    return bool(made and made.rules)


from keystone.common.rbac_enforcer import policy
before = made()
import keystone_api
print(json.dumps([before, made()]))
"""


def test_keystone_has_its_policy_before_its_first_request() -> None:
    upstream, ours = said("keystone", "keystone", LOADED)
    assert not upstream, "Keystone loads its policy itself now: is our module still wanted?"
    assert ours
