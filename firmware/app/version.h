/* The build passes the package's version, so that it is written once (pyproject.toml). */
#ifndef WATCHWORD_VERSION_H
#define WATCHWORD_VERSION_H

#ifndef WATCHWORD_VERSION
#error "build with PlatformIO: firmware/build_model.py passes WATCHWORD_VERSION"
#endif

#endif
