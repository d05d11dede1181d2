/* The package's version, which is written once (pyproject.toml). */
#ifndef WATCHWORD_VERSION_H
#define WATCHWORD_VERSION_H

/* A build without PlatformIO passes it as a flag. */
#ifndef WATCHWORD_VERSION
#include "watchword_version.h" /* written by firmware/build_model.py */
#endif

#endif
