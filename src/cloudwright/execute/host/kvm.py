"""Whether KVM really runs a guest on a host: it boots one sector that says yes and ends."""

from __future__ import annotations

from collections.abc import Mapping

from cloudwright.engine.api import ContainerSpec, Engine
from cloudwright.errors import EngineError, HostError
from cloudwright.transport.host import File, Host

RECORD = "/var/lib/cloudwright/kvm"
"""On the host: `works` or `fails`, and the kernel that it was found on."""

PROBE_SECONDS = 15
"""A guest that has not reached its first sector by then hangs (SeaBIOS needs under one second)."""

ACCELERATOR = "-accel kvm -cpu host"
"""What QEMU is told; all else of the script holds for a guest that is emulated, too."""

# The sector: mov al,0x10; mov dx,0xf4; out dx,al; hlt. QEMU's isa-debug-exit device ends with
# (value << 1) | 1 = 33, which nothing but a guest that really ran can bring about.
SCRIPT = f"""
sector=$(mktemp)
{{ printf '\\260\\020\\272\\364\\000\\356\\364'; head -c 503 /dev/zero
  printf '\\125\\252'; }} > $sector
timeout -s KILL {PROBE_SECONDS} qemu-system-x86_64 {ACCELERATOR} -m 16 -display none \
  -nodefaults -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
  -drive file=$sector,format=raw,if=ide
[ $? = 33 ]
"""
"""Shell that ends with 0 where the guest ran."""

PROBE = "cloudwright-kvm-probe"
"""The container in which the guest boots."""

QUESTIONS = rf"""
echo kernel=$(uname -r)
echo kvm=$(cat {RECORD} 2>/dev/null)
if [ -c /dev/kvm ]; then echo kvm_device=yes; fi
"""
"""Shell that says what `kvm_works` has to know, a line a fact."""


async def kvm_works(host: Host, engine: Engine, image: str, answers: Mapping[str, str]) -> bool:
    """Boot the sector with `image`'s QEMU, once per host and kernel; the answer is kept there.

    `answers` are those to QUESTIONS, by name.
    """
    kernel = answers["kernel"]
    known = answers["kvm"].split()
    if known[1:] == [kernel]:
        return known[0] == "works"
    if answers.get("kvm_device") != "yes":
        return False
    works = await _boots(engine, image)
    answer = f"{'works' if works else 'fails'} {kernel}\n"
    await host.put([File(path=RECORD, content=answer.encode())])
    return works


async def _boots(engine: Engine, image: str) -> bool:
    spec = ContainerSpec(
        name=PROBE,
        image=image,
        entrypoint=("bash", "-c"),
        command=(SCRIPT,),
        user="root",
        devices=("/dev/kvm",),
    )
    await _remove(engine, PROBE)
    try:
        await engine.create(spec)
        await engine.start(PROBE)
        return await engine.wait(PROBE) == 0
    except HostError:
        return False
    finally:
        await _remove(engine, PROBE)


async def _remove(engine: Engine, name: str) -> None:
    try:
        await engine.remove(name, force=True)
    except EngineError as err:
        if err.status != 404:
            raise
