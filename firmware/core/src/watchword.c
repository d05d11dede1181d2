#include "watchword.h"

#include <string.h>

#include "ww_status_texts.h"

static bool is_word(const watchword *w, unsigned word) {
    return w != NULL && word < w->pipeline.word_count;
}

ww_status watchword_open_sized(watchword *w, size_t caller_bytes, void *memory,
                               size_t memory_bytes) {
    if (caller_bytes != sizeof *w) return WW_ERR_ARGUMENT; /* its layout is not ours */
    if (w == NULL || memory == NULL || (uintptr_t)memory % 4 != 0) return WW_ERR_ARGUMENT;
    memset(w, 0, sizeof *w);
    ww_pipeline_init(&w->pipeline, NULL);
    w->memory = memory;
    w->memory_bytes = memory_bytes;
    return WW_OK;
}

ww_status watchword_needs(const void *image, size_t image_bytes, size_t *memory_bytes) {
    const ww_model_header *header = image;
    ww_status status = memory_bytes == NULL ? WW_ERR_ARGUMENT : ww_model_check(image, image_bytes);
    if (status == WW_OK) *memory_bytes = (header->arena_bytes + 3u) & ~(size_t)3u;
    return status;
}

ww_status watchword_add(watchword *w, const void *image, size_t image_bytes) {
    size_t needs;
    if (w == NULL || w->memory == NULL) return WW_ERR_ARGUMENT;
    ww_status status = watchword_needs(image, image_bytes, &needs);
    if (status == WW_OK && needs > w->memory_bytes - w->memory_used) status = WW_ERR_ARENA;
    if (status == WW_OK)
        status =
            ww_pipeline_add(&w->pipeline, image, image_bytes, w->memory + w->memory_used, needs);
    if (status != WW_OK) return status;
    w->memory_used += needs;
    watchword_reset(w);
    return WW_OK;
}

ww_status watchword_push(watchword *w, const int16_t *samples, size_t count) {
    if (w == NULL || w->pipeline.word_count == 0 || (samples == NULL && count > 0))
        return WW_ERR_ARGUMENT;
    if (w->count > 0 || w->told < w->pipeline.word_count) return WW_ERR_BUSY;
    w->samples = samples;
    w->count = count;
    return WW_OK;
}

/* The next word of the latest hop that was said and not told yet. */
static bool next_told(watchword *w, watchword_event *event) {
    while (w->told < w->pipeline.word_count) {
        unsigned word = w->told++;
        if (!w->step.words[word].detection) continue;
        *event = (watchword_event){.name = watchword_name(w, word),
                                   .word = word,
                                   .score_q15 = w->step.words[word].smoothed_q15,
                                   .sample_index = w->step.sample_index};
        return true;
    }
    return false;
}

bool watchword_heard(watchword *w, watchword_event *event) {
    if (w == NULL || event == NULL || w->pipeline.word_count == 0) return false;
    while (!next_told(w, event)) {
        if (w->count == 0) {
            w->samples = NULL;
            return false;
        }
        size_t taken = ww_pipeline_push(&w->pipeline, w->samples, w->count, &w->step);
        w->samples += taken;
        w->count -= taken;
        w->told = 0;
    }
    return true;
}

void watchword_reset(watchword *w) {
    if (w == NULL) return;
    w->samples = NULL;
    w->count = 0;
    w->told = w->pipeline.word_count;
    ww_pipeline_reset(&w->pipeline);
}

unsigned watchword_words(const watchword *w) {
    return w == NULL ? 0 : w->pipeline.word_count;
}

const char *watchword_name(const watchword *w, unsigned word) {
    return is_word(w, word) ? w->pipeline.words[word].model.header->word : NULL;
}

uint16_t watchword_score_q15(const watchword *w, unsigned word) {
    return is_word(w, word) ? w->pipeline.words[word].detector.smoothed_q15 : 0;
}

ww_status watchword_use_preset(watchword *w, unsigned word, watchword_preset preset) {
    ww_detector_config config;
    if (!is_word(w, word)) return WW_ERR_ARGUMENT;
    ww_status status =
        ww_model_preset(w->pipeline.words[word].model.header, (uint32_t)preset, &config);
    return status == WW_OK ? watchword_set_detector(w, word, &config) : status;
}

ww_status watchword_set_detector(watchword *w, unsigned word, const ww_detector_config *config) {
    if (!is_word(w, word) || config == NULL) return WW_ERR_ARGUMENT;
    return ww_pipeline_configure(&w->pipeline, word, config);
}

ww_status watchword_get_detector(const watchword *w, unsigned word, ww_detector_config *config) {
    if (!is_word(w, word) || config == NULL) return WW_ERR_ARGUMENT;
    *config = w->pipeline.words[word].detector.config;
    return WW_OK;
}

void watchword_amplify(watchword_microphone *microphone, const int32_t *raw, size_t count,
                       uint16_t gain, int16_t *samples) {
    if (microphone == NULL || raw == NULL || samples == NULL) return;
    for (size_t i = 0; i < count; i++) {
        int32_t sound = ww_dc_block(&microphone->offset, raw[i]);
        samples[i] = ww_amplify(sound, gain * 256u, &microphone->clipped);
    }
}

const char *watchword_status_text(ww_status status) {
    static const char *const texts[] = WW_STATUS_TEXTS;
    size_t number = (size_t)status;
    return number < sizeof texts / sizeof *texts ? texts[number] : "unknown status";
}
