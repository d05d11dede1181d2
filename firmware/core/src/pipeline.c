#include "watchword/pipeline.h"

#include <string.h>

void ww_pipeline_init(ww_pipeline *p, uint32_t (*counter)(void)) {
    memset(p, 0, sizeof *p);
    p->counter = counter;
}

static ww_status init_word(ww_word *word, const void *image, size_t image_bytes, void *arena,
                           size_t arena_bytes) {
    memset(word, 0, sizeof *word);
    ww_status status = ww_model_init(&word->model, image, image_bytes, arena, arena_bytes);
    if (status != WW_OK) return status;
    const ww_model_header *header = word->model.header;
    ww_normaliser_config norm = {.mode = header->cmvn_mode,
                                 .alpha_q15 = header->cmvn_alpha_q15,
                                 .coeffs = header->coeffs,
                                 .mean = word->model.norm_mean,
                                 .gain = word->model.norm_gain,
                                 .spread = word->model.norm_spread};
    ww_detector_config detector = ww_model_detector(header);
    status = ww_normaliser_init(&word->normaliser, &norm);
    return status == WW_OK ? ww_detector_init(&word->detector, &detector) : status;
}

/* The front end of that kind and hop, or the next free place. */
static uint8_t frontend_for(const ww_pipeline *p, const ww_model_header *header) {
    uint8_t i = 0;
    while (i < p->frontend_count && (p->frontends[i].frontend.kind != header->feature_kind ||
                                     p->frontends[i].frontend.hop_samples != header->hop_samples)) {
        i++;
    }
    return i;
}

/* A shared front end makes the longest row that one of its words wants; the first values of a row
 * do not depend on its length. */
static ww_status provide_frontend(ww_pipeline *p, uint8_t index, const ww_model_header *header) {
    if (index == WW_MAX_FRONTENDS) return WW_ERR_FRONTENDS;
    ww_frontend *frontend = &p->frontends[index].frontend;
    if (index < p->frontend_count && frontend->coeffs >= header->coeffs) return WW_OK;
    return ww_frontend_init(frontend, header->feature_kind, header->hop_samples, header->coeffs);
}

ww_status ww_pipeline_add(ww_pipeline *p, const void *image, size_t image_bytes, void *arena,
                          size_t arena_bytes) {
    if (p->word_count == WW_MAX_WORDS) return WW_ERR_WORDS;
    ww_word *word = &p->words[p->word_count];
    ww_status status = init_word(word, image, image_bytes, arena, arena_bytes);
    if (status != WW_OK) return status;
    word->frontend = frontend_for(p, word->model.header);
    status = provide_frontend(p, word->frontend, word->model.header);
    if (status != WW_OK) return status;
    if (word->frontend == p->frontend_count) p->frontend_count++;
    p->word_count++;
    ww_pipeline_reset(p);
    ww_pipeline_reset_costs(p);
    return WW_OK;
}

void ww_pipeline_reset(ww_pipeline *p) {
    for (ww_shared_frontend *f = p->frontends; f < p->frontends + p->frontend_count; f++) {
        ww_frontend_reset(&f->frontend);
    }
    for (ww_word *word = p->words; word < p->words + p->word_count; word++) {
        ww_normaliser_reset(&word->normaliser);
        ww_model_reset(&word->model);
        ww_detector_reset(&word->detector);
        word->rows = word->scores = word->detections = 0;
    }
    p->samples = 0;
}

void ww_pipeline_reset_costs(ww_pipeline *p) {
    for (ww_shared_frontend *f = p->frontends; f < p->frontends + p->frontend_count; f++)
        f->pending = 0;
    for (ww_word *word = p->words; word < p->words + p->word_count; word++) {
        for (int stage = 0; stage < WW_STAGES; stage++) {
            word->cost[stage] = (ww_stage_cost){.total = 0, .min = UINT32_MAX, .max = 0};
        }
        word->cost_hops = 0;
    }
}

ww_status ww_pipeline_configure(ww_pipeline *p, uint32_t word, const ww_detector_config *config) {
    ww_detector replacement;
    if (word >= p->word_count) return WW_ERR_ARGUMENT;
    ww_status status = ww_detector_init(&replacement, config);
    if (status == WW_OK) p->words[word].detector = replacement;
    return status;
}

static uint32_t now(const ww_pipeline *p) {
    return p->counter ? p->counter() : 0;
}

static void charge(ww_stage_cost *cost, uint32_t spent) {
    cost->total += spent;
    if (spent < cost->min) cost->min = spent;
    if (spent > cost->max) cost->max = spent;
}

/* A finished row through a word's model and detector. framing: what it cost to make the row, for
 * the word that is charged for it. */
static void process_row(ww_pipeline *p, ww_word *word, const int16_t *row, uint32_t framing,
                        uint64_t sample_index, ww_word_step *step) {
    int8_t input[WW_MAX_COEFFS];
    uint32_t started = now(p);
    ww_normaliser_push(&word->normaliser, row, input);
    uint32_t framed = now(p);
    step->row = true;
    step->score = ww_model_push(&word->model, input, &step->raw_score);
    uint32_t inferred = now(p);
    if (step->score) {
        step->detection = ww_detector_push(&word->detector, step->raw_score, sample_index);
        step->smoothed_q15 = word->detector.smoothed_q15;
    }
    uint32_t decided = now(p);
    charge(&word->cost[WW_STAGE_FRONTEND], framed - started + framing);
    charge(&word->cost[WW_STAGE_MODEL], inferred - framed);
    charge(&word->cost[WW_STAGE_DETECTOR], decided - inferred);
    word->cost_hops++;
    word->rows++;
    word->scores += step->score;
    word->detections += step->detection;
}

/* Samples that end no later than the next row of any front end. */
static void push_frontend(ww_pipeline *p, uint8_t index, const int16_t *samples, size_t count,
                          ww_step *step) {
    ww_shared_frontend *f = &p->frontends[index];
    int16_t row[WW_MAX_COEFFS];
    size_t used;
    uint32_t started = now(p);
    bool finished = ww_frontend_push(&f->frontend, samples, count, &used, row);
    f->pending += now(p) - started;
    for (uint8_t w = 0; finished && w < p->word_count; w++) {
        if (p->words[w].frontend != index) continue;
        process_row(p, &p->words[w], row, f->pending, step->sample_index, &step->words[w]);
        f->pending = 0; /* charged to the first */
    }
}

size_t ww_pipeline_push(ww_pipeline *p, const int16_t *samples, size_t count, ww_step *step) {
    memset(step, 0, sizeof *step);
    for (uint8_t i = 0; i < p->frontend_count; i++) {
        size_t wanted = ww_frontend_wants(&p->frontends[i].frontend);
        if (count > wanted) count = wanted;
    }
    p->samples += count;
    step->sample_index = p->samples;
    for (uint8_t i = 0; i < p->frontend_count; i++)
        push_frontend(p, i, samples, count, step);
    return count;
}
