/* What watchword.h says to wrong calls; the image is the file named. Exits with the failing line.
 */
#include <stdio.h>
#include <string.h>

#include "watchword.h"

#define EXPECT(condition) \
    if (!(condition)) return printf("line %d: %s\n", __LINE__, #condition), 1

static union {
    uint32_t word;
    uint8_t bytes[1 << 20];
} image;
static uint32_t memory[8192];
static watchword ears, never_opened;

static int before_a_word(size_t bytes) {
    watchword_event event;
    int16_t sample = 0;
    EXPECT(watchword_open(NULL, memory, sizeof memory) == WW_ERR_ARGUMENT);
    EXPECT(watchword_open(&ears, NULL, 4) == WW_ERR_ARGUMENT);
    EXPECT(watchword_open(&ears, (uint8_t *)memory + 1, 8) == WW_ERR_ARGUMENT);
    EXPECT(watchword_open_sized(&ears, sizeof ears - 8, memory, sizeof memory) == WW_ERR_ARGUMENT);
    EXPECT(watchword_add(&never_opened, image.bytes, bytes) == WW_ERR_ARGUMENT);
    EXPECT(watchword_push(&never_opened, &sample, 1) == WW_ERR_ARGUMENT);
    EXPECT(!watchword_heard(&never_opened, &event));
    watchword_reset(&never_opened);
    EXPECT(watchword_open(&ears, memory, sizeof memory) == WW_OK);
    EXPECT(watchword_push(&ears, &sample, 1) == WW_ERR_ARGUMENT);
    EXPECT(watchword_add(&ears, NULL, bytes) == WW_ERR_ARGUMENT);
    EXPECT(watchword_add(&ears, image.bytes + 1, bytes) == WW_ERR_ARGUMENT);
    EXPECT(watchword_add(&ears, image.bytes, bytes - 1) == WW_ERR_TRUNCATED);
    image.bytes[bytes / 2] ^= 1;
    EXPECT(watchword_add(&ears, image.bytes, bytes) == WW_ERR_CRC);
    image.bytes[bytes / 2] ^= 1;
    EXPECT(watchword_words(&ears) == 0 && watchword_name(&ears, 0) == NULL);
    return 0;
}

static int memory_to_the_byte(size_t bytes) {
    size_t needs = 0;
    EXPECT(watchword_needs(image.bytes, bytes, NULL) == WW_ERR_ARGUMENT);
    EXPECT(watchword_needs(image.bytes, bytes, &needs) == WW_OK && needs > 0);
    EXPECT(watchword_open(&ears, memory, needs - 1) == WW_OK);
    EXPECT(watchword_add(&ears, image.bytes, bytes) == WW_ERR_ARENA);
    EXPECT(watchword_open(&ears, memory, sizeof memory) == WW_OK);
    for (unsigned word = 0; word < WW_MAX_WORDS; word++)
        EXPECT(watchword_add(&ears, image.bytes, bytes) == WW_OK);
    EXPECT(watchword_add(&ears, image.bytes, bytes) == WW_ERR_WORDS);
    EXPECT(watchword_words(&ears) == WW_MAX_WORDS);
    EXPECT(watchword_open(&ears, memory, needs) == WW_OK);
    EXPECT(watchword_add(&ears, image.bytes, bytes) == WW_OK);
    return 0;
}

static int with_a_word(void) {
    static const int16_t silence[16000];
    watchword_event event;
    ww_detector_config config, kept;
    EXPECT(watchword_words(&ears) == 1 && watchword_name(&ears, 1) == NULL);
    EXPECT(watchword_push(&ears, NULL, 0) == WW_OK);
    EXPECT(watchword_push(&ears, NULL, 1) == WW_ERR_ARGUMENT);
    EXPECT(watchword_push(&ears, silence, 16000) == WW_OK);
    EXPECT(watchword_push(&ears, silence, 16000) == WW_ERR_BUSY);
    EXPECT(!watchword_heard(&ears, NULL));
    EXPECT(!watchword_heard(&ears, &event));
    EXPECT(watchword_push(&ears, silence, 16000) == WW_OK);
    watchword_reset(&ears);
    EXPECT(watchword_push(&ears, silence, 16000) == WW_OK && !watchword_heard(&ears, &event));
    EXPECT(watchword_get_detector(&ears, 0, &kept) == WW_OK);
    EXPECT(watchword_get_detector(&ears, 1, &config) == WW_ERR_ARGUMENT);
    EXPECT(watchword_set_detector(&ears, 0, NULL) == WW_ERR_ARGUMENT);
    config = kept;
    config.low_q15 = (uint16_t)(config.high_q15 + 1);
    EXPECT(watchword_set_detector(&ears, 0, &config) == WW_ERR_ARGUMENT);
    EXPECT(watchword_use_preset(&ears, 1, WATCHWORD_EAGER) == WW_ERR_ARGUMENT);
    EXPECT(watchword_use_preset(&ears, 0, (watchword_preset)3) == WW_ERR_PRESET);
    EXPECT(watchword_get_detector(&ears, 0, &config) == WW_OK);
    EXPECT(memcmp(&config, &kept, sizeof kept) == 0);
    EXPECT(watchword_use_preset(&ears, 0, WATCHWORD_EAGER) == WW_OK);
    EXPECT(watchword_get_detector(&ears, 0, &config) == WW_OK && config.high_q15 < kept.high_q15);
    EXPECT(watchword_score_q15(&ears, 7) == 0 && watchword_score_q15(NULL, 0) == 0);
    EXPECT(watchword_words(NULL) == 0 && watchword_name(NULL, 0) == NULL);
    return 0;
}

int main(int count, char **arguments) {
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (file == NULL) return 2;
    size_t bytes = fread(image.bytes, 1, sizeof image.bytes, file);
    fclose(file);
    for (int status = 0; status < 256; status++)
        EXPECT(strlen(watchword_status_text((ww_status)status)) > 0);
    return before_a_word(bytes) || memory_to_the_byte(bytes) || with_a_word();
}
