"""Compile, link and size an emulated board's firmware with the distribution's compiler."""

from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
prefix = board.get("build.toolchain_prefix")
machine = board.get("build.machine_flags")
linker_script = Path(env.subst("$PROJECT_DIR")) / board.get("build.linker_script")

env.Replace(
    CC=f"{prefix}gcc",
    AS=f"{prefix}gcc",
    AR=f"{prefix}gcc-ar",
    RANLIB=f"{prefix}gcc-ranlib",
    LINK="$CC",
    SIZETOOL=f"{prefix}size",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPROGREGEXP=r"^\.(?:text|model|emu_text|data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^\.(?:stack|data|bss|emu_ram)\s+(\d+).*",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    CCFLAGS=[*machine, "-g", "-ffunction-sections", "-fdata-sections", "-fstack-usage"],
    ASFLAGS=[*machine, "-g", "-x", "assembler-with-cpp"],
    LINKFLAGS=[*machine, "-nostartfiles", f"-T{linker_script}", "-Wl,-Map=$BUILD_DIR/firmware.map"],
)
program = env.BuildProgram()
env.Depends(program, str(linker_script))
Default(program)
