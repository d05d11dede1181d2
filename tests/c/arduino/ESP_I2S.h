/* A microphone whose 32-bit samples come from stdin; the sketch ends with them. */
#pragma once

#include <cstdlib>

#include "Arduino.h"

enum i2s_mode_t { I2S_MODE_STD };
enum i2s_data_bit_width_t { I2S_DATA_BIT_WIDTH_32BIT = 32 };
enum i2s_slot_mode_t { I2S_SLOT_MODE_MONO = 1 };
enum { I2S_STD_SLOT_LEFT = 1 };

class I2SClass {
public:
    void setPins(int8_t, int8_t, int8_t, int8_t) {}
    bool begin(i2s_mode_t, uint32_t rate, i2s_data_bit_width_t, i2s_slot_mode_t, int8_t) {
        per_ms = rate / 1000 * sizeof(int32_t);
        return std::getenv("NO_MICROPHONE") == nullptr;
    }
    size_t readBytes(char *buffer, size_t size) {
        size_t got = std::fread(buffer, 1, size, stdin);
        if (got == 0) std::exit(0);
        heard_ms += got / per_ms;
        return got;
    }

private:
    size_t per_ms = 1;
};
