/* Random calls of watchword.h, right and wrong ones, by two listeners in turn.
 *
 *     fuzz_library CALLS SEED SOUND.raw MODEL.bin...
 *
 * What is pushed is the sound from beginning to end and again, at times noise.
 * Images, memory and samples are allocated to the byte and freed as soon as the header says that
 * they may be, so that under ASan and UBSan any other access ends the run. A call that fails must
 * have changed no byte of the `watchword`, and each status must be the one that the header names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchword.h"
#include "watchword/crc32.h"

#define STATUSES 64
#define MAX_SAMPLES 4000

#define REQUIRE(condition) \
    if (!(condition)) fail(__LINE__, #condition)

typedef struct {
    size_t size;
    uint8_t *bytes;
} buffer;

typedef struct {
    watchword ears, before;
    void *memory;
    uint8_t *images[WW_MAX_WORDS];
    unsigned words;
    int16_t *samples; /* pushed, not worked through */
    uint64_t pushed, latest;
    size_t at; /* in the sound */
} listener;

static buffer seeds[8], sound;
static unsigned seed_count;
static unsigned long counts[STATUSES], events;
static uint64_t state;

static void fail(int line, const char *what) {
    fprintf(stderr, "line %d: %s\n", line, what);
    abort();
}

static uint32_t below(uint32_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % limit;
}

static ww_status tell(listener *l, ww_status status) {
    REQUIRE(status < STATUSES && watchword_status_text(status)[0] != 0);
    counts[status]++;
    REQUIRE(status == WW_OK || memcmp(&l->ears, &l->before, sizeof l->ears) == 0);
    memcpy(&l->before, &l->ears, sizeof l->ears);
    return status;
}

static void forget_samples(listener *l) {
    free(l->samples);
    l->samples = NULL;
}

static void forget_words(listener *l) {
    for (unsigned word = 0; word < l->words; word++)
        free(l->images[word]);
    l->words = 0;
    l->pushed = l->latest = 0;
    forget_samples(l);
}

static void open_again(listener *l) {
    size_t bytes = 4 * (below(8) ? 600 + below(3400) : below(20));
    uint8_t *memory = malloc(bytes + 4); /* malloc gives NULL for none */
    if (below(8) == 0) {
        REQUIRE(tell(l, watchword_open(&l->ears, memory + 1 + below(3), bytes)) == WW_ERR_ARGUMENT);
        free(memory);
        return;
    }
    REQUIRE(tell(l, watchword_open(&l->ears, memory, bytes)) == WW_OK);
    forget_words(l);
    free(l->memory);
    l->memory = memory;
}

/* A copy of a seed, every other one with a byte or two changed and mostly a correct CRC. */
static buffer draw_image(void) {
    const buffer *seed = &seeds[below(seed_count)];
    buffer drawn = {seed->size, malloc(seed->size)};
    memcpy(drawn.bytes, seed->bytes, seed->size);
    if (below(2)) return drawn;
    ww_model_header *header = (ww_model_header *)(void *)drawn.bytes;
    for (unsigned changes = 1 + below(2); changes > 0; changes--)
        drawn.bytes[below(3) ? below(1200) : below((uint32_t)drawn.size)] ^= 1u << below(8);
    if (below(6) && header->image_bytes <= drawn.size && header->image_bytes > WW_MODEL_CRC_FROM)
        header->crc32 =
            ww_crc32(0, drawn.bytes + WW_MODEL_CRC_FROM, header->image_bytes - WW_MODEL_CRC_FROM);
    return drawn;
}

static void add(listener *l) {
    buffer image = draw_image();
    size_t needs = 0;
    ww_status check = watchword_needs(image.bytes, image.size, &needs);
    ww_status status = tell(l, watchword_add(&l->ears, image.bytes, image.size));
    REQUIRE(l->memory != NULL || status == WW_ERR_ARGUMENT);
    REQUIRE(l->memory == NULL || check == WW_OK || status == check);
    REQUIRE(watchword_words(&l->ears) == l->words + (status == WW_OK));
    if (status != WW_OK) {
        free(image.bytes);
        return;
    }
    l->images[l->words++] = image.bytes;
    l->pushed = l->latest = 0;
    forget_samples(l);
}

static void push(listener *l) {
    size_t count = below(MAX_SAMPLES);
    int16_t *samples = malloc(count * sizeof *samples + 1);
    bool noise = below(64) == 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *next = sound.bytes + 2 * (l->at++ % (sound.size / 2));
        samples[i] = (int16_t)(noise ? below(65536) : (uint32_t)(next[0] | next[1] << 8));
    }
    bool none = count > 0 && below(32) == 0;
    ww_status expected = l->words == 0 || none ? WW_ERR_ARGUMENT : WW_OK;
    if (expected == WW_OK && l->samples != NULL) expected = WW_ERR_BUSY;
    REQUIRE(tell(l, watchword_push(&l->ears, none ? NULL : samples, count)) == expected);
    if (expected != WW_OK || count == 0) {
        free(samples);
        return;
    }
    l->samples = samples;
    l->pushed += count;
}

static void hear(listener *l) {
    for (uint32_t calls = below(4) ? 1000 : below(3); calls > 0; calls--) {
        watchword_event event;
        if (!watchword_heard(&l->ears, &event)) {
            forget_samples(l);
            REQUIRE(!watchword_heard(&l->ears, &event));
            return;
        }
        events++;
        REQUIRE(event.word < l->words && event.name == watchword_name(&l->ears, event.word));
        REQUIRE(event.score_q15 <= WW_DETECTOR_MAX_HIGH_Q15);
        REQUIRE(event.sample_index <= l->pushed && event.sample_index >= l->latest);
        l->latest = event.sample_index;
    }
}

static void configure(listener *l) {
    unsigned word = below(4) ? below(l->words + 1) : below(WW_MAX_WORDS + 1);
    uint32_t high = below(below(2) ? 2000 : 40000);
    ww_detector_config config = {.smoothing = (uint16_t)below(WW_DETECTOR_MAX_SMOOTHING + 2),
                                 .high_q15 = (uint16_t)high,
                                 .low_q15 = (uint16_t)below(below(8) ? high + 1 : 40000),
                                 .cooldown_ms = (uint16_t)below(200)};
    ww_status expected =
        word < l->words && ww_detector_check(&config) == WW_OK ? WW_OK : WW_ERR_ARGUMENT;
    REQUIRE(tell(l, watchword_set_detector(&l->ears, word, &config)) == expected);
    ww_detector_config now;
    ww_status got = tell(l, watchword_get_detector(&l->ears, word, &now));
    REQUIRE((got == WW_OK) == (word < l->words));
    REQUIRE(expected != WW_OK || memcmp(&now, &config, sizeof now) == 0);
    (void)tell(l, watchword_use_preset(&l->ears, word, (watchword_preset)below(5)));
    REQUIRE(watchword_score_q15(&l->ears, word) <= WW_DETECTOR_MAX_HIGH_Q15);
    REQUIRE((watchword_name(&l->ears, word) != NULL) == (word < l->words));
}

static void step(listener *l) {
    uint32_t kind = below(100);
    memcpy(&l->before, &l->ears, sizeof l->ears);
    if (kind < 1) {
        open_again(l);
    } else if (kind < 10) {
        add(l);
    } else if (kind < 55) {
        push(l);
    } else if (kind < 87) {
        hear(l);
    } else if (kind < 99) {
        configure(l);
    } else {
        watchword_reset(&l->ears);
        l->pushed = l->latest = 0;
        forget_samples(l);
    }
}

static buffer read_file(const char *path) {
    buffer content = {0, malloc(1 << 21)};
    FILE *file = fopen(path, "rb");
    if (file == NULL) exit(2);
    content.size = fread(content.bytes, 1, 1 << 21, file);
    fclose(file);
    return content;
}

int main(int count, char **arguments) {
    static listener listeners[2];
    if (count < 5) return 2;
    state = strtoull(arguments[2], NULL, 10);
    sound = read_file(arguments[3]);
    for (int i = 4; i < count && seed_count < 8; i++)
        seeds[seed_count++] = read_file(arguments[i]);
    for (unsigned long calls = strtoul(arguments[1], NULL, 10); calls > 0; calls--)
        step(&listeners[below(2)]);
    for (int i = 0; i < 2; i++) {
        forget_words(&listeners[i]);
        free(listeners[i].memory);
    }
    for (unsigned i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    free(sound.bytes);
    for (int status = 0; status < STATUSES; status++)
        if (counts[status]) printf("%d:%lu ", status, counts[status]);
    printf("events:%lu\n", events);
    return 0;
}
