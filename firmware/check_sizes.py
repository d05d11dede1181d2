"""PlatformIO script for the real boards: a build that outgrows its limits in firmware/budgets.toml fails.

A table of that file is named as the environment; flash_bytes and static_ram_bytes are looked at here.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

LIMITS = {  # of sections of ESP-IDF's linker scripts, as `size -A` lists them
    "flash_bytes": (".flash.", ".iram0.text", ".iram0.vectors", ".dram0.data", ".rtc.text", ".rtc.data"),
    "static_ram_bytes": (".dram0.data", ".dram0.bss", ".noinit"),
}
NOT_LOADED = (".flash_rodata_dummy", ".flash.rodata_noload")


def measure(listing):
    """{limit: bytes} from the output of `size -A -d`."""
    sizes = {}
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith(".") and words[0] not in NOT_LOADED:
            sizes[words[0]] = int(words[1])
    return {
        limit: sum(size for name, size in sizes.items() if name.startswith(sections))
        for limit, sections in LIMITS.items()
    }


def faults(listing, limits):
    """What is above its limit, in words; a limit that is missing is a fault too."""
    found = []
    for name, used in measure(listing).items():
        if name not in limits:
            found.append(f"firmware/budgets.toml has no {name} for this environment")
        elif not 0 < used <= limits[name]:
            found.append(f"{name} {used}, allowed {limits[name]} (firmware/budgets.toml)")
    return found


def check(source, target, env):
    """After linking. PlatformIO calls it with these names."""
    root = Path(env.subst("$PROJECT_DIR"))
    tables = tomllib.loads((root / "firmware" / "budgets.toml").read_text())
    size = [env.subst("$SIZETOOL"), "-A", "-d", str(target[0])]
    listing = subprocess.run(size, check=True, capture_output=True, text=True, env=env["ENV"]).stdout
    wrong = faults(listing, tables.get(env["PIOENV"], {}))
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else None


if "Import" in globals():  # PlatformIO puts it here
    Import("env")  # noqa: F821
    env.AddPostAction("$BUILD_DIR/${PROGNAME}.elf", check)  # noqa: F821
