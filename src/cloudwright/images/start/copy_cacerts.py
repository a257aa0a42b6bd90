#!/usr/bin/python3 -IS
"""Trust the certificate authorities that the deployer mounted beside the configuration.

Done anew at each start from the image's own list, so that one that was taken away is trusted no
more. It appends to the one file that programs read, which update-ca-certificates takes 20 times
longer for; `kolla-customca-*` is where the Kolla image contract puts the single ones.
"""

import glob
import os
import shutil
import sys

SOURCES = (
    "/var/lib/kolla/config_files/ca-certificates",
    "/var/lib/kolla/share/ca-certificates",
)
STORE = "/usr/local/share/ca-certificates"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
MARK = "# added at the start of the container\n"


def trust(root: str = "") -> None:
    """Make the trusted authorities those of the image and those below SOURCES."""
    for old in glob.glob(f"{root}{STORE}/kolla-customca-*"):
        os.unlink(old)
    os.makedirs(f"{root}{STORE}", exist_ok=True)
    added = []
    for source in SOURCES:
        for path in sorted(glob.glob(f"{root}{source}/*")):
            name = os.path.basename(path)
            if not os.path.isfile(path) or not name.endswith((".crt", ".pem")):
                continue
            target = f"{root}{STORE}/kolla-customca-{name.removesuffix('.pem')}"
            target = target if target.endswith(".crt") else f"{target}.crt"
            shutil.copyfile(path, target)
            os.chmod(target, 0o644)
            with open(path, encoding="utf-8") as file:
                added.append(file.read().strip() + "\n")
    bundle = f"{root}{BUNDLE}"
    with open(bundle, encoding="utf-8") as file:
        own = file.read().partition(MARK)[0]
    with open(f"{bundle}.new", "w", encoding="utf-8") as file:
        file.write(own + MARK + "".join(added) if added else own)
    os.chmod(f"{bundle}.new", 0o644)
    os.replace(f"{bundle}.new", bundle)


if __name__ == "__main__":
    trust()
    sys.exit(0)
