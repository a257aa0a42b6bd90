"""httpx, loaded without its command line, which nobody calls here.

That brings rich, pygments and a parser of arguments with it, a third of all that httpx loads. It
does without where one of them is not installed, which is what a None in `sys.modules` says.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

__all__ = ["httpx"]
