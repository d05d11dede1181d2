/* What the sketch uses of Arduino, on a PC: the serial monitor is stdout, pins are printed when
 * they change, time is what the microphone has heard. */
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define OUTPUT 3
#define constrain(value, low, high) \
    ((value) < (low) ? (low) : ((value) > (high) ? (high) : (value)))
typedef unsigned int word; /* a type and a macro, as there: neither may hurt the library */
#define word(...) makeWord(__VA_ARGS__)

using std::abs;
using std::max;

extern unsigned long heard_ms;
void setup();
void loop();

inline unsigned long millis() {
    return heard_ms;
}
inline void pinMode(int, int) {}
inline void digitalWrite(int pin, int level) {
    static int before = 0;
    if (level != before) std::printf("pin %d is %d at %lu ms\n", pin, level, heard_ms);
    before = level;
}

struct SerialMonitor {
    void begin(int) {}
    void println(const char *line) { std::printf("%s\n", line); }
    __attribute__((format(printf, 2, 3))) void printf(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        std::vprintf(format, arguments);
        va_end(arguments);
    }
};
extern SerialMonitor Serial;
