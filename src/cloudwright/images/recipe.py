"""Recipes turn what services declare into Containerfiles, each with a digest of its content."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable

from cloudwright.declare.image import Image
from cloudwright.declare.users import KOLLA_GROUPS, KOLLA_USERS
from cloudwright.images.release import SHARED, Release
from cloudwright.model.cloud import Images

PREFIX = Images().prefix
"""The registry and folder of our images: no registry at all, this machine's store."""

BASE = "base"
DATABASE = "mariadb"
"""The image whose server makes the schemas of others."""

DIGEST_LABEL = "org.cloudwright.recipe"

DEBIAN_PACKAGES = (
    "adduser",  # packages make their users with it; it must take Kolla's numbers for system users
    "ca-certificates",
    "curl",  # for probes and for people
    "dumb-init",  # the first process: forwards signals, reaps children
    "iproute2",
    "netbase",
    "procps",
    "python3",  # the start program
    "sudo",  # the contract: a service that is not root asks it to place its configuration
    "tzdata",
)
OPENSTACK_PACKAGES = ("uwsgi-core", "uwsgi-plugin-python3")
VENV = "/var/lib/kolla/venv"
MARIADB = "/mnt/mariadb"
"""Where the image DATABASE is while schemas are made."""

START_PROGRAMS = (
    "kolla_start",
    "kolla_extend_start",
    "kolla_install_projects",
    "healthcheck_curl",
    "healthcheck_filemod",
    "healthcheck_listen",
    "healthcheck_port",
    "healthcheck_socket",
)
START_PARTS = ("set_configs.py", "copy_cacerts.py", "wait_for.py", "load_schema.py", "sockets")
START_NAMES = {
    "kolla_set_configs": "set_configs.py",
    "kolla_copy_cacerts": "copy_cacerts.py",
    "cloudwright_schema": "load_schema.py",
}
"""The names in /usr/local/bin of programs that are modules, which Python compiles once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """All that decides what is in one container image.

    `parent` is another recipe's name, or "" for the base; `names` are extra names of the same
    content; `needs` are further recipes that must be built before; `files` are texts that the
    Containerfile copies. `digest` changes if and only if the text, a file, a lock, a script, the
    parent or what it needs does.
    """

    name: str
    parent: str
    text: str
    names: tuple[str, ...]
    digest: str
    needs: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def reference(name: str, release: str, prefix: str = PREFIX) -> str:
    """The full name and tag under which an image is found."""
    return f"{prefix}/{name}:{release}"


def scaffold_reference(release: Release, prefix: str = PREFIX) -> str:
    """The bare Debian under the base, which mmdebstrap makes."""
    return f"{prefix}/debian:{release.debian}"


def make_recipes(
    images: Sequence[Image],
    release: Release,
    *,
    prefix: str = PREFIX,
    base_from: str | None = None,
) -> tuple[Recipe, ...]:
    """The recipes of `images` and of what they stand on, each after all that it needs.

    `prefix` is the registry and folder of what is built; `base_from` an image to begin with in
    place of a Debian of our own making. Raises ValueError for a parent, project or user that
    nothing declares: a bug in a service's file.
    """
    text = _base(base_from or scaffold_reference(release, prefix), release)
    recipes = {BASE: _recipe(BASE, "", text)}
    if any(image.parent == SHARED for image in images):
        text = _openstack(reference(BASE, release.name, prefix))
        beside = recipes[BASE].digest + _locked(release, (SHARED,))
        recipes[SHARED] = _recipe(SHARED, BASE, text, beside=beside)
    for image in sorted(images, key=lambda image: bool(image.schemas)):
        recipes[image.name] = _image(image, release, prefix, recipes)
    return tuple(recipes.values())


def build_scripts() -> tuple[Traversable, ...]:
    """The scripts that Containerfiles call; they are beside the image at build, never in it."""
    return _folder("build")


def start_files() -> tuple[Traversable, ...]:
    """The files of the start program, which the base copies into the image."""
    return _folder("start")


def _folder(name: str) -> tuple[Traversable, ...]:
    folder = files("cloudwright.images") / name
    return tuple(sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: f.name))


def _recipe(
    name: str,
    parent: str,
    text: str,
    *,
    names: tuple[str, ...] = (),
    beside: str = "",
    needs: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
) -> Recipe:
    parts = [text, beside, *(f.read_text("utf-8") for f in build_scripts())]
    parts += [f"{path}\0{content}" for path, content in (files or {}).items()]
    if not parent:
        parts += [f.read_text("utf-8") for f in start_files()]
    digest = hashlib.sha256("\0".join((*parts, *names)).encode()).hexdigest()
    return Recipe(
        name=name,
        parent=parent,
        text=text,
        names=names,
        digest=digest,
        needs=needs,
        files=files or {},
    )


def _locked(release: Release, projects: Iterable[str]) -> str:
    missing = [project for project in projects if project not in release.locks]
    if missing:
        raise ValueError(f"release {release.name} has no lock for {', '.join(missing)}")
    return "".join(release.locks[project] for project in projects)


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line) + "\n"


def _packages(packages: Sequence[str]) -> str:
    return f"RUN sh /mnt/packages {shlex.join(sorted(packages))}" if packages else ""


def _users(names: Sequence[str]) -> str:
    unknown = [name for name in names if name not in KOLLA_USERS]
    if unknown:
        raise ValueError(f"no number for user {', '.join(unknown)} in KOLLA_USERS")
    return f"RUN sh /mnt/users {shlex.join(names)}" if names else ""


def _base(start: str, release: Release) -> str:
    accounts = (f"{n}:{id}:{KOLLA_GROUPS.get(n, n)}" for n, id in KOLLA_USERS.items())
    return _lines(
        f"FROM {start}",
        "USER root",
        # The smallest image that can be: no documentation, no translations.
        "RUN printf 'path-exclude=/usr/share/%s/*\\n' man info locale lintian"
        " > /etc/dpkg/dpkg.cfg.d/slim && printf '%s\\n' 'path-exclude=/usr/share/doc/*'"
        " 'path-include=/usr/share/doc/*/copyright' >> /etc/dpkg/dpkg.cfg.d/slim",
        "COPY --chmod=755 policy-rc.d /usr/sbin/policy-rc.d",
        _packages(DEBIAN_PACKAGES),
        "RUN printf 'LAST_SYSTEM_%s=42999\\n' UID GID >> /etc/adduser.conf",
        f"RUN sh /mnt/accounts {shlex.join(accounts)}"
        " && install -d /var/lib/kolla/config_files /etc/kolla"
        " && install -d -g kolla -m 2775 /var/log/kolla",
        f"COPY --chmod=755 {' '.join(START_PROGRAMS)} /usr/local/bin/",
        f"COPY --chmod=755 {' '.join(START_PARTS)} /usr/local/lib/kolla/",
        "COPY --chmod=440 sudoers /etc/sudoers.d/kolla",
        *(
            f"RUN ln -s /usr/local/lib/kolla/{part} /usr/local/bin/{name}"
            for name, part in START_NAMES.items()
        ),
        "RUN python3 -m compileall -q /usr/local/lib/kolla",
        f"ENV KOLLA_BASE_DISTRO=debian KOLLA_BASE_ARCH=x86_64 LANG=C.UTF-8 PATH={VENV}/bin:"
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f'LABEL org.opencontainers.image.version="{release.name}"',
        'ENTRYPOINT ["dumb-init", "--single-child", "--"]',
        'CMD ["kolla_start"]',
    )


def _openstack(parent: str) -> str:
    return _lines(
        f"FROM {parent}",
        "USER root",
        _packages(OPENSTACK_PACKAGES),
        f"RUN sh /mnt/python {SHARED}",
        "RUN update-alternatives --query uwsgi >/dev/null 2>&1"
        " || ln -sf uwsgi-core /usr/bin/uwsgi",
        # A deployer's uwsgi.ini knows nothing of Debian's plugins and of where the packages are.
        f"ENV UWSGI_AUTOLOAD=true UWSGI_VIRTUALENV={VENV}",
    )


def _image(image: Image, release: Release, prefix: str, recipes: Mapping[str, Recipe]) -> Recipe:
    for project in image.projects:
        if project not in release.projects:
            raise ValueError(f"image {image.name}: release {release.name} has no {project}")
    needs = (DATABASE,) if image.schemas else ()
    for name in (image.parent, *needs):
        if name not in recipes:
            raise ValueError(f"image {image.name}: no parent {name}")
    files = {f"{image.name}.{name}": text for name, text in image.programs.items()}
    if image.start:
        files[f"{image.name}.kolla_extend_start"] = image.start
    beside = "".join(recipes[name].digest for name in (image.parent, *needs))
    text = _lines(
        f"FROM {reference(image.parent, release.name, prefix)}",
        "USER root",
        _users(image.users),
        _packages(image.packages),
        f"RUN sh /mnt/python {shlex.join(image.projects)}" if image.projects else "",
        *(
            f"COPY --chmod=755 {file} /usr/local/bin/{file.removeprefix(image.name + '.')}"
            for file in files
        ),
        *(
            f"RUN mkdir -p {shlex.quote(path.rpartition('/')[0])}"
            f" && ln -sfn {shlex.quote(target)} {shlex.quote(path)}"
            for path, target in image.links.items()
        ),
        *(f"RUN {line}" for line in image.run),
        _schemas(image, reference(DATABASE, release.name, prefix)),
        # An entry point of its own takes the parent's command away.
        'ENTRYPOINT ["dumb-init", "--"]\nCMD ["kolla_start"]' if image.stops_all else "",
        f"USER {image.user}" if image.user != "root" else "",
    )
    return _recipe(
        image.name,
        image.parent,
        text,
        names=image.names,
        beside=beside + _locked(release, image.projects),
        needs=needs,
        files=files,
    )


def _schemas(image: Image, server: str) -> str:
    """Upstream's own commands against a server that lives for them alone."""
    if not image.schemas:
        return ""
    words = [image.user, ",".join(image.projects)]
    for schema in image.schemas:
        words += [schema.database, schema.section, schema.command]
    mount = f"--mount=type=bind,from={server},target={MARIADB}"
    return f"RUN {mount} python3 -I /mnt/schema {shlex.join(words)}"
