/* What runs for every hop is compiled for speed, also where the build asks for size and gives a
 * library no say, as Arduino's and ESPHome's do. Included first, so that the inline functions of
 * other headers are too. */
#ifndef WATCHWORD_HOT_H
#define WATCHWORD_HOT_H

#if defined(__OPTIMIZE_SIZE__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "no-schedule-insns") /* as platformio.ini has it */
#endif

#endif
