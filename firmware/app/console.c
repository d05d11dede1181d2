#include "console.h"

#include <string.h>

#include "board.h"
#include "version.h"

#define LINE_BYTES 128
#define GIVE_UP_MS 250 /* nobody drains the link: drop the line rather than stop listening */

typedef struct {
    char text[LINE_BYTES];
    size_t length;
} line;

static void put_bytes(line *l, const char *text, size_t count) {
    size_t room = LINE_BYTES - l->length;
    if (count > room) count = room;
    memcpy(l->text + l->length, text, count);
    l->length += count;
}

static void put(line *l, const char *text) {
    put_bytes(l, text, strlen(text));
}

static void put_word(line *l, const ww_pipeline *pipeline) {
    const char *word = pipeline->words[0].model.header->word;
    const char *end = memchr(word, '\0', WW_WORD_BYTES);
    put_bytes(l, word, end ? (size_t)(end - word) : WW_WORD_BYTES);
}

/* At least `digits` digits of value in `base`, zero padded. */
static void put_number(line *l, uint32_t value, uint32_t base, int digits) {
    char reversed[10];
    int count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || count < digits);
    while (count > 0)
        put_bytes(l, &reversed[--count], 1);
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

static void end_line(line *l) {
    uint32_t started = board_time_ms();
    if (l->length > LINE_BYTES - 2) l->length = LINE_BYTES - 2;
    put(l, "\r\n");
    for (size_t sent = 0; sent < l->length && board_time_ms() - started < GIVE_UP_MS;) {
        sent += board_link_write((const uint8_t *)l->text + sent, l->length - sent);
    }
    l->length = 0;
}

static void describe_model(line *l, const ww_pipeline *pipeline) {
    const ww_model_header *header = pipeline->words[0].model.header;
    put(l, "word   ");
    put_word(l, pipeline);
    end_line(l);
    put(l, "model  crc32 ");
    put_number(l, header->crc32, 16, 8);
    put(l, ", ");
    put_number(l, header->image_bytes, 10, 1);
    put(l, " bytes, arena ");
    put_number(l, (uint32_t)ww_model_arena_bytes(&pipeline->words[0].model), 10, 1);
    put(l, " bytes");
    end_line(l);
}

void console_boot(const ww_pipeline *pipeline, ww_status model_status) {
    line l = {.length = 0};
    put(&l, "Watchword " WATCHWORD_VERSION " on ");
    put(&l, board_name());
    if (board_restart_reason() != NULL) {
        put(&l, ", restarted: ");
        put(&l, board_restart_reason());
    }
    end_line(&l);
    if (model_status == WW_OK) {
        describe_model(&l, pipeline);
    } else {
        put(&l, "model  rejected, status ");
        put_number(&l, (uint32_t)model_status, 10, 1);
        put(&l, model_status == WW_ERR_REAL_TIME
                    ? ": too much work for this chip, use a smaller one"
                : model_status == WW_ERR_FEATURES ? ": built without its kind of features"
                                                  : ": export it again and rebuild the firmware");
        end_line(&l);
    }
    put(&l, "audio  ");
    put(&l, board_has_microphone() ? "listening to the microphone"
                                   : "no microphone, waiting for the host");
    end_line(&l);
    put(&l, "host   try: watchword bench --port PORT (switches this link to binary)");
    end_line(&l);
}

void console_detection(const ww_pipeline *pipeline, const ww_step *step) {
    line l = {.length = 0};
    uint32_t rest, seconds = whole_seconds(step->sample_index, &rest);
    uint32_t percent =
        ((uint32_t)step->words[0].smoothed_q15 * 100 + (1u << (WW_THRESHOLD_FRAC_BITS - 1))) >>
        WW_THRESHOLD_FRAC_BITS;
    put_number(&l, seconds, 10, 1);
    put(&l, ".");
    put_number(&l, rest / (WW_SAMPLE_RATE_HZ / 1000), 10, 3);
    put(&l, " s  ");
    put_word(&l, pipeline);
    put(&l, "  ");
    put_number(&l, percent / 100, 10, 1);
    put(&l, ".");
    put_number(&l, percent % 100, 10, 2);
    end_line(&l);
}

void console_microphone(uint32_t clipped, uint32_t lost) {
    line l = {.length = 0};
    put(&l, "audio  ");
    put_number(&l, clipped, 10, 1);
    put(&l, " samples clipped (gain too high), ");
    put_number(&l, lost, 10, 1);
    put(&l, " lost");
    end_line(&l);
}
