/* Watchword: wake words in any program, C or C++.
 *
 *     static watchword ears;
 *     static uint32_t memory[WW_MODEL_ARENA_BYTES / 4];
 *
 *     watchword_open(&ears, memory, sizeof memory);                    once
 *     watchword_add(&ears, ww_model_image, sizeof ww_model_image);     once for each word
 *
 *     watchword_push(&ears, samples, count);                           whenever there are samples
 *     while (watchword_heard(&ears, &event)) puts(event.name);
 *
 * Nothing is allocated and nothing is global: all state is in the `watchword` and the memory that
 * it is given, so there can be several, each used by one thread at a time. Everything that can fail
 * gives a ww_status, WW_OK or what was wrong, and then has changed nothing; watchword_status_text
 * says it in words. watchword_heard takes 4 kB of stack. The parts below this one are in
 * watchword/pipeline.h.
 */
#ifndef WATCHWORD_LIBRARY_H
#define WATCHWORD_LIBRARY_H

#include "watchword/dc_blocker.h"
#include "watchword/pipeline.h"

WW_BEGIN_DECLS

#define WATCHWORD_RATE_HZ WW_SAMPLE_RATE_HZ /* of the samples: 16 kHz, mono, 16 bits */

/* A score or threshold of the detector in Q15 as a number 0..1. */
#define WATCHWORD_UNIT(q15) ((float)(q15) / 32768.0f)

typedef struct watchword watchword; /* layout below; treat as opaque */

/* A word that was said. */
typedef struct {
    const char *name;      /* UTF-8, in the image of its model */
    unsigned word;         /* its number: 0, 1, ... in the order of adding */
    uint16_t score_q15;    /* the average that reached the threshold */
    uint64_t sample_index; /* the end (exclusive) of the hop in which it did, since the reset */
} watchword_event;

/* The settings that an exported model brings, by how often it may wake for nothing (its card.json
 * and report say how often, and how many words each misses). */
typedef enum { WATCHWORD_STRICT, WATCHWORD_NORMAL, WATCHWORD_EAGER } watchword_preset;

/* Start without words. memory: for the models to work in, 4-byte aligned, kept by reference; the
 * sum of what watchword_needs says for each (model.h: WW_MODEL_ARENA_BYTES). A `watchword` that
 * is open can be opened anew: it then has no words. WW_ERR_ARGUMENT also where the caller was
 * compiled with another WW_MAX_WORDS, WW_MAX_FRONTENDS or WW_WITH_... than the library. */
static inline ww_status watchword_open(watchword *w, void *memory, size_t memory_bytes) WW_CHECKED;
ww_status watchword_open_sized(watchword *w, size_t caller_bytes, void *memory,
                               size_t memory_bytes) WW_CHECKED; /* what that calls */

/* How much memory this model takes. Fails as watchword_add does for a damaged image. */
ww_status watchword_needs(const void *image, size_t image_bytes, size_t *memory_bytes) WW_CHECKED;

/* One more word, which starts with its model's own settings. image: model.c's array, or a model.bin
 * read into memory; kept by reference (flash is fine), 4-byte aligned. All words are forgotten
 * back to silence, as by watchword_reset. WW_ERR_ARENA: the memory is used up; WW_ERR_WORDS,
 * WW_ERR_FRONTENDS: see pipeline.h. */
ww_status watchword_add(watchword *w, const void *image, size_t image_bytes) WW_CHECKED;

/* The next samples. They are kept by reference until watchword_heard has returned false, which
 * works through them. WW_ERR_BUSY: it has not yet; WW_ERR_ARGUMENT: no word was added. The result
 * does not depend on how the samples are cut into calls. */
ww_status watchword_push(watchword *w, const int16_t *samples, size_t count) WW_CHECKED;

/* The next word in the samples pushed, in the order of time. False: no more, push further ones. */
bool watchword_heard(watchword *w, watchword_event *event);

/* Forget all sound, pushed samples included; words and settings stay. Sample indices start at 0. */
void watchword_reset(watchword *w);

/* How many words were added, and what they are; NULL: there is no such word. */
unsigned watchword_words(const watchword *w);
const char *watchword_name(const watchword *w, unsigned word);

/* The average that the detector compares with its threshold, in Q15, as of the samples worked
 * through: for a meter, or a log. 0: no such word, or no score yet. */
uint16_t watchword_score_q15(const watchword *w, unsigned word);

/* Detector settings of a word: a preset of its model (WW_ERR_PRESET: it brings none), or any other.
 * It takes up the stream anew: the average starts at 0. */
ww_status watchword_use_preset(watchword *w, unsigned word, watchword_preset preset) WW_CHECKED;
ww_status watchword_set_detector(watchword *w, unsigned word,
                                 const ww_detector_config *config) WW_CHECKED;
ww_status watchword_get_detector(const watchword *w, unsigned word,
                                 ww_detector_config *config) WW_CHECKED;

/* A microphone of 32-bit samples (I2S), between its driver and watchword_push; zeros at first. */
typedef struct {
    ww_dc_blocker offset;
    uint32_t clipped; /* samples too loud for 16 bits, so far */
} watchword_microphone;

/* Its samples as the 16 bits that are pushed: without the constant offset that such microphones
 * have, `gain` times as loud (16 suits an INMP441 in a room), saturated. */
void watchword_amplify(watchword_microphone *microphone, const int32_t *raw, size_t count,
                       uint16_t gain, int16_t *samples);

/* What a status means and what to do about it, in one line of English. Never NULL. */
const char *watchword_status_text(ww_status status);

/* ── Layout: private to watchword.c ────────────────────────────────────────────────────────── */

struct watchword {
    ww_pipeline pipeline;
    uint8_t *memory;
    size_t memory_bytes, memory_used;
    const int16_t *samples; /* pushed, not worked through yet */
    size_t count;
    ww_step step;  /* of the latest hop */
    unsigned told; /* its words that were asked about already */
};

static inline ww_status watchword_open(watchword *w, void *memory, size_t memory_bytes) {
    return watchword_open_sized(w, sizeof *w, memory, memory_bytes);
}

WW_END_DECLS

#endif
