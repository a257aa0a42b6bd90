"""Recipes turn what services declare into Containerfiles, each with a digest of its content."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from cloudwright.declare.image import Image
from cloudwright.declare.users import KOLLA_USERS
from cloudwright.images.release import SHARED, Release

PREFIX = "localhost/cloudwright"
"""The registry and folder of our images: no registry at all, this machine's store."""

BASE = "base"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """All that decides what is in one container image.

    `parent` is another recipe's name, or "" for the base; `names` are extra names of the same
    content; `digest` changes if and only if the text, a lock, a script or the parent does.
    """

    name: str
    parent: str
    text: str
    names: tuple[str, ...]
    digest: str


def reference(name: str, release: str) -> str:
    """The full name and tag under which an image is found."""
    return f"{PREFIX}/{name}:{release}"


def scaffold_reference(release: Release) -> str:
    """The bare Debian under the base, which mmdebstrap makes."""
    return f"{PREFIX}/debian:{release.debian}"


def make_recipes(
    images: Sequence[Image], release: Release, *, base_from: str | None = None
) -> tuple[Recipe, ...]:
    """The recipes of `images` and of what they stand on, parents first.

    `base_from` is an image to begin with in place of a Debian of our own making. Raises
    ValueError for a parent, project or user that nothing declares: a bug in a service's file.
    """
    base = _recipe(BASE, "", _base(base_from or scaffold_reference(release), release), (), "")
    recipes = {BASE: base}
    if any(image.parent == SHARED for image in images):
        text = _openstack(release)
        recipes[SHARED] = _recipe(
            SHARED, BASE, text, (), base.digest + _locked(release, (SHARED,))
        )
    for image in images:
        if image.parent not in recipes:
            raise ValueError(f"image {image.name}: no parent {image.parent}")
        beside = recipes[image.parent].digest + _locked(release, image.projects)
        text = _image(image, release)
        recipes[image.name] = _recipe(image.name, image.parent, text, image.names, beside)
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


def _recipe(name: str, parent: str, text: str, names: tuple[str, ...], beside: str) -> Recipe:
    parts = [text, beside, *(f.read_text("utf-8") for f in build_scripts())]
    if not parent:
        parts += [f.read_text("utf-8") for f in start_files()]
    whole = "\0".join((*parts, *names))
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return Recipe(name=name, parent=parent, text=text, names=names, digest=digest)


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
    entries = " ".join(f"{name}:{KOLLA_USERS[name]}" for name in names)
    return f"RUN sh /mnt/users {entries}" if names else ""


def _base(start: str, release: Release) -> str:
    scripts = "kolla_start kolla_extend_start kolla_install_projects"
    programs = "/usr/local/lib/kolla/set_configs.py", "/usr/local/lib/kolla/copy_cacerts.py"
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
        "RUN groupadd --gid 42400 kolla && useradd --uid 42400 --gid 42400 --no-create-home"
        " --home-dir /var/lib/kolla --shell /usr/sbin/nologin kolla"
        " && install -d /var/lib/kolla/config_files /etc/kolla"
        " && install -d -g kolla -m 2775 /var/log/kolla",
        f"COPY --chmod=755 {scripts} /usr/local/bin/",
        "COPY --chmod=755 set_configs.py copy_cacerts.py wait_for.py /usr/local/lib/kolla/",
        "COPY --chmod=440 sudoers /etc/sudoers.d/kolla",
        f"RUN ln -s {programs[0]} /usr/local/bin/kolla_set_configs"
        f" && ln -s {programs[1]} /usr/local/bin/kolla_copy_cacerts"
        " && python3 -m compileall -q /usr/local/lib/kolla",
        f"ENV KOLLA_BASE_DISTRO=debian KOLLA_BASE_ARCH=x86_64 LANG=C.UTF-8 PATH={VENV}/bin:"
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f'LABEL org.opencontainers.image.version="{release.name}"',
        'ENTRYPOINT ["dumb-init", "--single-child", "--"]',
        'CMD ["kolla_start"]',
    )


def _openstack(release: Release) -> str:
    return _lines(
        f"FROM {reference(BASE, release.name)}",
        "USER root",
        _packages(OPENSTACK_PACKAGES),
        f"RUN sh /mnt/python {SHARED}",
        "RUN update-alternatives --query uwsgi >/dev/null 2>&1"
        " || ln -sf uwsgi-core /usr/bin/uwsgi",
    )


def _image(image: Image, release: Release) -> str:
    for project in image.projects:
        if project not in release.projects:
            raise ValueError(f"image {image.name}: release {release.name} has no {project}")
    return _lines(
        f"FROM {reference(image.parent, release.name)}",
        "USER root",
        _users(image.users),
        _packages(image.packages),
        f"RUN sh /mnt/python {shlex.join(image.projects)}" if image.projects else "",
        *(
            f"RUN mkdir -p {shlex.quote(path.rpartition('/')[0])}"
            f" && ln -sfn {shlex.quote(target)} {shlex.quote(path)}"
            for path, target in image.links.items()
        ),
        *(f"RUN {line}" for line in image.run),
        f"USER {image.user}" if image.user != "root" else "",
    )
