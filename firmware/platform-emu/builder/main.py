"""Compile, link and size an emulated board's firmware with the distribution's compiler."""

from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
prefix = board.get("build.binutils_prefix")
machine = board.get("build.machine_flags")
project = Path(env.subst("$PROJECT_DIR"))
folder = project / board.get("build.folder")
compiler = board.get("build.compiler")  # a path, if it is one of the project's own
linker_scripts = [folder / "board.ld", folder.parent / "emu" / "sections.ld"]

env.Replace(
    CC=str(project / compiler) if "/" in compiler else compiler,
    AS="$CC",
    AR=f"{prefix}ar",
    RANLIB=f"{prefix}ranlib",
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
    CPPPATH=[str(folder)],
    CCFLAGS=[*machine, "-g", "-ffunction-sections", "-fdata-sections", "-fstack-usage"],
    ASFLAGS=[*machine, "-g", "-x", "assembler-with-cpp"],
    LINKFLAGS=[
        *machine,
        "-nostartfiles",
        f"-L{folder.parent}",
        f"-T{linker_scripts[0]}",
        "-Wl,-Map=$BUILD_DIR/firmware.map",
    ],
)
program = env.BuildProgram()
env.Depends(program, [str(script) for script in linker_scripts])
Default(program)
