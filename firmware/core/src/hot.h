/* What runs for every hop is compiled for speed, also where the build asks for size and gives a
 * library no say, as Arduino's and ESPHome's do. A file that defines WW_HOTTEST gets -O3, where it
 * pays: kernels.c, 6 % fewer instructions for 3.4 kB of code; the front ends gain 2 % or nothing.
 * Included first, so that the inline functions of other headers are compiled so too. For GCC:
 * clang has no such pragma and keeps the build's level. */
#ifndef WATCHWORD_HOT_H
#define WATCHWORD_HOT_H

#if defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__)
#if defined(WW_HOTTEST)
#pragma GCC optimize("O3", "no-schedule-insns") /* as platformio.ini has it */
#elif defined(__OPTIMIZE_SIZE__)
#pragma GCC optimize("O2", "no-schedule-insns")
#endif
#endif

#endif
