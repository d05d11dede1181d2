#include "settings.h"

#include "board.h"
#include "watchword/crc32.h"

#define SETTINGS_VERSION 2u

/* Without padding, which a CRC would have to know of. */
typedef struct {
    uint32_t model_crc32; /* header CRC of the model that the detector settings were made for */
    uint16_t smoothing, high_q15, low_q15, cooldown_ms;
} word_block;

typedef struct {
    uint32_t version, word_count;
    word_block words[WW_MAX_WORDS];
    uint32_t microphone_gain_q8;
    uint32_t crc32; /* of the fields before */
} block;

WW_STATIC_ASSERT(sizeof(word_block) == 12, word_block_has_no_padding);

static uint32_t block_crc(const block *b) {
    return ww_crc32(0, b, offsetof(block, crc32));
}

static void apply_word(ww_pipeline *p, const word_block *saved) {
    ww_detector_config detector = {.smoothing = saved->smoothing,
                                   .high_q15 = saved->high_q15,
                                   .low_q15 = saved->low_q15,
                                   .cooldown_ms = saved->cooldown_ms};
    for (uint32_t w = 0; w < p->word_count; w++) {
        if (p->words[w].model.header->crc32 != saved->model_crc32) continue;
        if (ww_pipeline_configure(p, w, &detector) != WW_OK) continue; /* its own settings stay */
    }
}

void settings_apply(ww_pipeline *p) {
    block b;
    if (!board_settings_load(&b, sizeof b)) return;
    if (b.version != SETTINGS_VERSION || b.crc32 != block_crc(&b)) return;
    board_microphone_gain((uint16_t)b.microphone_gain_q8);
    for (uint32_t w = 0; w < b.word_count && w < WW_MAX_WORDS; w++)
        apply_word(p, &b.words[w]);
}

bool settings_save(const ww_pipeline *p) {
    block b = {.version = SETTINGS_VERSION,
               .word_count = p->word_count,
               .microphone_gain_q8 = board_microphone_gain(0)};
    for (uint32_t w = 0; w < p->word_count; w++) {
        const ww_detector_config *detector = &p->words[w].detector.config;
        b.words[w] = (word_block){.model_crc32 = p->words[w].model.header->crc32,
                                  .smoothing = detector->smoothing,
                                  .high_q15 = detector->high_q15,
                                  .low_q15 = detector->low_q15,
                                  .cooldown_ms = detector->cooldown_ms};
    }
    b.crc32 = block_crc(&b);
    return board_settings_save(&b, sizeof b);
}
