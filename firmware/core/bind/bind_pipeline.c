#include "bind_pipeline.h"

#include <stdlib.h>

#include "watchword/pipeline.h"

uint32_t wwb_spec_id(void) {
    return WW_SPEC_ID;
}

long wwb_frontend_rows(const int16_t *pcm, size_t count, uint16_t kind, uint16_t hop_samples,
                       uint16_t coeffs, int16_t *rows, size_t capacity) {
    ww_frontend fe;
    ww_status status = ww_frontend_init(&fe, kind, hop_samples, coeffs);
    if (status != WW_OK) return -(long)status;
    size_t written = 0;
    while (count > 0 && written < capacity) {
        size_t used;
        written += ww_frontend_push(&fe, pcm, count, &used, rows + written * coeffs);
        pcm += used;
        count -= used;
    }
    return (long)written;
}

int wwb_normalise(const int16_t *rows, size_t count, uint16_t coeffs, uint16_t mode,
                  uint16_t alpha_q15, const int16_t *mean, const void *gain, const uint16_t *spread,
                  int8_t *out) {
    ww_normaliser n;
    ww_normaliser_config config = {mode, alpha_q15, coeffs, mean, gain, spread};
    ww_status status = ww_normaliser_init(&n, &config);
    if (status != WW_OK) return -(int)status;
    for (size_t i = 0; i < count; i++)
        ww_normaliser_push(&n, rows + i * coeffs, out + i * coeffs);
    return 0;
}

static ww_detector_config config_of(const wwb_detector *settings) {
    return (ww_detector_config){.smoothing = settings->smoothing,
                                .high_q15 = settings->high_q15,
                                .low_q15 = settings->low_q15,
                                .cooldown_ms = settings->cooldown_ms};
}

int wwb_detect(const uint8_t *scores, const uint64_t *samples, size_t count,
               const wwb_detector *settings, uint16_t *smoothed_q15, uint8_t *fired) {
    ww_detector d;
    ww_detector_config config = config_of(settings);
    ww_status status = ww_detector_init(&d, &config);
    if (status != WW_OK) return -(int)status;
    for (size_t i = 0; i < count; i++) {
        fired[i] = ww_detector_push(&d, scores[i], samples[i]);
        smoothed_q15[i] = d.smoothed_q15;
    }
    return 0;
}

struct wwb_pipeline {
    ww_pipeline pipeline;
    void *arenas[WW_MAX_WORDS];
};

int wwb_max_words(void) {
    return WW_MAX_WORDS;
}

static ww_status add_word(wwb_pipeline *p, const uint8_t *image, size_t bytes,
                          const wwb_detector *settings) {
    uint32_t word = p->pipeline.word_count;
    if (word == WW_MAX_WORDS) return WW_ERR_WORDS;
    ww_status status = ww_model_check(image, bytes);
    if (status != WW_OK) return status;
    size_t arena_bytes = ((const ww_model_header *)image)->arena_bytes;
    p->arenas[word] = malloc(arena_bytes);
    if (p->arenas[word] == NULL) return WW_ERR_ARENA;
    status = ww_pipeline_add(&p->pipeline, image, bytes, p->arenas[word], arena_bytes);
    if (status != WW_OK || settings->smoothing == 0) return status;
    ww_detector_config config = config_of(settings);
    return ww_pipeline_configure(&p->pipeline, word, &config);
}

wwb_pipeline *wwb_pipeline_new(const uint8_t *const *images, const size_t *image_bytes,
                               const wwb_detector *settings, size_t count, int *status,
                               size_t *failed) {
    wwb_pipeline *p = calloc(1, sizeof *p);
    ww_status result = p ? WW_OK : WW_ERR_ARENA;
    if (p) ww_pipeline_init(&p->pipeline, NULL);
    *failed = 0;
    for (size_t i = 0; result == WW_OK && i < count; i++) {
        *failed = i;
        result = add_word(p, images[i], image_bytes[i], &settings[i]);
    }
    *status = -(int)result;
    if (result == WW_OK) return p;
    wwb_pipeline_free(p);
    return NULL;
}

void wwb_pipeline_free(wwb_pipeline *p) {
    for (int i = 0; p && i < WW_MAX_WORDS; i++)
        free(p->arenas[i]);
    free(p);
}

long wwb_pipeline_feed(wwb_pipeline *p, const int16_t *pcm, size_t count, size_t chunk,
                       uint8_t *words, uint8_t *scores, uint16_t *smoothed_q15, uint64_t *samples,
                       uint8_t *fired, size_t capacity) {
    size_t written = 0;
    while (count > 0 && capacity - written >= p->pipeline.word_count) {
        ww_step step;
        size_t piece = chunk && chunk < count ? chunk : count;
        size_t used = ww_pipeline_push(&p->pipeline, pcm, piece, &step);
        pcm += used;
        count -= used;
        for (uint8_t w = 0; w < p->pipeline.word_count; w++) {
            const ww_word_step *of_word = &step.words[w];
            if (!of_word->score) continue;
            words[written] = w;
            scores[written] = of_word->raw_score;
            smoothed_q15[written] = of_word->smoothed_q15;
            samples[written] = step.sample_index;
            fired[written++] = of_word->detection;
        }
    }
    return (long)written;
}

long wwb_pipeline_rows(const wwb_pipeline *p, size_t word) {
    return word < p->pipeline.word_count ? (long)p->pipeline.words[word].rows : 0;
}
