#!/usr/bin/python3 -IS
"""Have the server use its new certificate, for its clients and for the other members.

`FLUSH SSL` loads it for new connections; those that are open go on.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from server import tell

sys.exit(tell("FLUSH SSL"))
