#include "settings.h"

#include "board.h"
#include "watchword/crc32.h"

#define SETTINGS_VERSION 1u

/* Words only: no padding that a CRC would have to know of. */
typedef struct {
    uint32_t version, model_crc32;
    uint32_t smoothing, high_q15, low_q15, cooldown_ms;
    uint32_t microphone_gain_q8;
    uint32_t crc32; /* of the words before */
} block;

static uint32_t block_crc(const block *b) {
    return ww_crc32(0, b, offsetof(block, crc32));
}

bool settings_load(settings *s) {
    block b;
    if (!board_settings_load(&b, sizeof b)) return false;
    if (b.version != SETTINGS_VERSION || b.crc32 != block_crc(&b)) return false;
    s->model_crc32 = b.model_crc32;
    s->detector = (ww_detector_config){.smoothing = (uint16_t)b.smoothing,
                                       .high_q15 = (uint16_t)b.high_q15,
                                       .low_q15 = (uint16_t)b.low_q15,
                                       .cooldown_ms = (uint16_t)b.cooldown_ms};
    s->microphone_gain_q8 = (uint16_t)b.microphone_gain_q8;
    return true;
}

bool settings_save(const settings *s) {
    block b = {.version = SETTINGS_VERSION,
               .model_crc32 = s->model_crc32,
               .smoothing = s->detector.smoothing,
               .high_q15 = s->detector.high_q15,
               .low_q15 = s->detector.low_q15,
               .cooldown_ms = s->detector.cooldown_ms,
               .microphone_gain_q8 = s->microphone_gain_q8};
    b.crc32 = block_crc(&b);
    return board_settings_save(&b, sizeof b);
}
