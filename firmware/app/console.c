#include "console.h"

#include <string.h>

#include "board.h"
#include "models.h"
#include "text.h"
#include "version.h"

#define GIVE_UP_MS 250 /* nobody drains the link: drop the line rather than stop listening */

static void put_word(text *l, const ww_word *word) {
    const char *name = word->model.header->word;
    const char *end = memchr(name, '\0', WW_WORD_BYTES);
    text_put_bytes(l, name, end ? (size_t)(end - name) : WW_WORD_BYTES);
}

/* Long division, 16 bits at a time: not every board's C library divides 64 bits. The seconds of
 * 136 years. */
static uint32_t whole_seconds(uint64_t samples, uint32_t *rest) {
    uint32_t seconds = 0;
    *rest = 0;
    for (int shift = 48; shift >= 0; shift -= 16) {
        uint32_t part = (*rest << 16) | (uint32_t)(samples >> shift & 0xffffu);
        seconds = (seconds << 16) + part / WW_SAMPLE_RATE_HZ;
        *rest = part % WW_SAMPLE_RATE_HZ;
    }
    return seconds;
}

static void end_line(text *l) {
    uint32_t started = board_time_ms();
    if (l->length > TEXT_BYTES - 2) l->length = TEXT_BYTES - 2;
    text_put(l, "\r\n");
    for (size_t sent = 0; sent < l->length && board_time_ms() - started < GIVE_UP_MS;) {
        sent += board_link_write((const uint8_t *)l->bytes + sent, l->length - sent);
    }
    l->length = 0;
}

static void describe_word(const ww_word *word) {
    text l = {.length = 0};
    const ww_model_header *header = word->model.header;
    text_put(&l, "word   ");
    put_word(&l, word);
    end_line(&l);
    text_put(&l, "model  crc32 ");
    text_put_number(&l, header->crc32, 16, 8);
    text_put(&l, ", ");
    text_put_number(&l, header->image_bytes, 10, 1);
    text_put(&l, " bytes, arena ");
    text_put_number(&l, (uint32_t)ww_model_arena_bytes(&word->model), 10, 1);
    text_put(&l, " bytes");
    end_line(&l);
}

static void describe_rejected(uint32_t slot, ww_status status) {
    text l = {.length = 0};
    text_put(&l, "model  rejected");
    if (slot > 0) {
        text_put(&l, " in slot ");
        text_put_number(&l, slot, 10, 1);
    }
    text_put(&l, ", status ");
    text_put_number(&l, (uint32_t)status, 10, 1);
    text_put(&l, status == WW_ERR_REAL_TIME  ? ": too much work for this chip, use a smaller one"
                 : status == WW_ERR_FEATURES ? ": built without its kind of features"
                 : slot > 0                  ? ": push it again, or another"
                                             : ": export it again and rebuild the firmware");
    end_line(&l);
}

void console_boot(const ww_pipeline *pipeline) {
    text l = {.length = 0};
    text_put(&l, "Watchword " WATCHWORD_VERSION " on ");
    text_put(&l, board_name());
    if (board_restart_reason() != NULL) {
        text_put(&l, ", restarted: ");
        text_put(&l, board_restart_reason());
    }
    end_line(&l);
    for (uint32_t w = 0; w < pipeline->word_count; w++)
        describe_word(&pipeline->words[w]);
    for (uint32_t slot = 0; slot < WW_MAX_WORDS; slot++) {
        ww_status status = models_rejected(slot);
        if (status != WW_OK) describe_rejected(slot, status);
    }
    text_put(&l, "audio  ");
    text_put(&l, board_has_microphone() ? "listening to the microphone"
                                        : "no microphone, waiting for the host");
    end_line(&l);
    text_put(&l, "host   try: watchword bench --port PORT (switches this link to binary)");
    end_line(&l);
}

static void detection_line(const ww_word *word, uint64_t sample_index, uint32_t smoothed_q15) {
    text l = {.length = 0};
    uint32_t rest, seconds = whole_seconds(sample_index, &rest);
    uint32_t percent =
        (smoothed_q15 * 100 + (1u << (WW_THRESHOLD_FRAC_BITS - 1))) >> WW_THRESHOLD_FRAC_BITS;
    text_put_number(&l, seconds, 10, 1);
    text_put(&l, ".");
    text_put_number(&l, rest / (WW_SAMPLE_RATE_HZ / 1000), 10, 3);
    text_put(&l, " s  ");
    put_word(&l, word);
    text_put(&l, "  ");
    text_put_number(&l, percent / 100, 10, 1);
    text_put(&l, ".");
    text_put_number(&l, percent % 100, 10, 2);
    end_line(&l);
}

void console_detections(const ww_pipeline *pipeline, const ww_step *step) {
    for (uint32_t w = 0; w < pipeline->word_count; w++)
        if (step->words[w].detection)
            detection_line(&pipeline->words[w], step->sample_index, step->words[w].smoothed_q15);
}

static void put_decibels(text *l, int32_t db) {
    if (db < 0) text_put(l, "-");
    text_put_number(l, (uint32_t)(db < 0 ? -db : db), 10, 1);
    text_put(l, " dBFS");
}

void console_level(const level *measured) {
    text l = {.length = 0};
    if (measured->peak <= LEVEL_NO_SIGNAL_PEAK) {
        text_put(&l,
                 "audio  no signal: check the microphone's SD (data) and L/R wires and its power");
    } else {
        text_put(&l, "audio  level ");
        put_decibels(&l, level_rms_db(measured));
        text_put(&l, ", peak ");
        put_decibels(&l, level_peak_db(measured));
    }
    end_line(&l);
}

void console_microphone(uint32_t clipped, uint32_t lost) {
    text l = {.length = 0};
    text_put(&l, "audio  ");
    text_put_number(&l, clipped, 10, 1);
    text_put(&l, " samples clipped (gain too high), ");
    text_put_number(&l, lost, 10, 1);
    text_put(&l, " lost");
    end_line(&l);
}
