"""The few files that are not INI, beside their service: templates, and programs as they are."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template


def render(package: str, name: str, **values: object) -> str:
    """The text of template `name` of `package` (a service's folder) with `values`.

    jinja2.UndefinedError when the template names a value that is not given.
    """
    return _template(package, name).render(values)


@cache
def _template(package: str, name: str) -> Template:
    """Compiled once, since that takes longer than to render it for every host: 160 ms of CPU for
    the load balancer's (measured beside other work)."""
    environment = Environment(
        loader=FunctionLoader(lambda beside: resource(package, beside)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def resource(package: str, *path: str) -> str:
    """The text of a file that lies beside `package`'s modules, as it is."""
    return files(package).joinpath(*path).read_text(encoding="utf-8")


def programs(package: str, *names: str) -> dict[str, str]:
    """Name → text of files of `package`, as an image's `programs` are declared."""
    return {name: resource(package, name) for name in names}
