"""asyncssh, loaded without the processes that it starts as it is imported.

It has `ctypes.util.find_library` look for liboqs and libnettle, which runs ldconfig, the C
compiler and the linker: 0.1 s of CPU before every verb, where those are installed. What it would
do with them is not missed: `cryptography` has ML-KEM, and UMAC is one of many that are offered.
"""

from __future__ import annotations

import ctypes.util

_find_library = ctypes.util.find_library
ctypes.util.find_library = lambda name: None
try:
    import asyncssh
finally:
    ctypes.util.find_library = _find_library

__all__ = ["asyncssh"]
