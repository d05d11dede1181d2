/* What the programs of tools/cost print over a board's link: lines "name value". */
#ifndef COST_OUTPUT_H
#define COST_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "board.h"

static inline void print(const char *text) {
    while (*text != '\0')
        text += board_link_write((const uint8_t *)text, 1);
}

static inline void print_value(const char *name, uint32_t value) {
    char digits[11] = "";
    int at = 10;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print(name);
    print(" ");
    print(digits + at);
    print("\n");
}

/* FNV-1a over rows, to see that two programs compute the same. */
static inline uint32_t hashed(uint32_t hash, const uint16_t *row, size_t count) {
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ row[i]) * 16777619u;
    return hash;
}

enum { MICRO_WINDOW, MICRO_SPECTRUM, MICRO_CHANNELS, MICRO_LEVELS, MICRO_STAGES };
#define MICRO_STAGE_NAMES \
    { "window", "spectrum", "channels", "levels" }

#endif
