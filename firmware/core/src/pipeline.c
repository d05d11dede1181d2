#include "watchword/pipeline.h"

#include <string.h>

static ww_status init_stages(ww_pipeline *p) {
    const ww_model_header *header = p->model.header;
    ww_normaliser_config norm = {.mode = header->cmvn_mode,
                                 .alpha_q15 = header->cmvn_alpha_q15,
                                 .coeffs = header->coeffs,
                                 .mean = p->model.norm_mean,
                                 .gain = p->model.norm_gain,
                                 .spread = p->model.norm_spread};
    ww_detector_config detector = ww_model_detector(header);
    ww_status status =
        ww_frontend_init(&p->frontend, header->feature_kind, header->hop_samples, header->coeffs);
    if (status == WW_OK) status = ww_normaliser_init(&p->normaliser, &norm);
    if (status == WW_OK) status = ww_detector_init(&p->detector, &detector);
    return status;
}

ww_status ww_pipeline_init(ww_pipeline *p, const void *image, size_t image_bytes, void *arena,
                           size_t arena_bytes, uint32_t (*counter)(void)) {
    memset(p, 0, sizeof *p);
    p->counter = counter;
    ww_status status = ww_model_init(&p->model, image, image_bytes, arena, arena_bytes);
    if (status == WW_OK) status = init_stages(p);
    if (status != WW_OK) return status;
    ww_pipeline_reset(p);
    ww_pipeline_reset_costs(p);
    return WW_OK;
}

void ww_pipeline_reset(ww_pipeline *p) {
    ww_frontend_reset(&p->frontend);
    ww_normaliser_reset(&p->normaliser);
    ww_model_reset(&p->model);
    ww_detector_reset(&p->detector);
    p->samples = 0;
    p->rows = p->scores = p->detections = 0;
}

void ww_pipeline_reset_costs(ww_pipeline *p) {
    for (int stage = 0; stage < WW_STAGES; stage++) {
        p->cost[stage] = (ww_stage_cost){.total = 0, .min = UINT32_MAX, .max = 0};
    }
    p->cost_hops = 0;
    p->pending_cost = 0;
}

ww_status ww_pipeline_configure(ww_pipeline *p, const ww_detector_config *config) {
    ww_detector replacement;
    ww_status status = ww_detector_init(&replacement, config);
    if (status == WW_OK) p->detector = replacement;
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

/* A finished row through model and detector; started: the counter before its last samples came. */
static void process_row(ww_pipeline *p, const int16_t *row, ww_step *step, uint32_t started) {
    int8_t input[WW_MAX_COEFFS];
    ww_normaliser_push(&p->normaliser, row, input);
    uint32_t framed = now(p);
    step->score = ww_model_push(&p->model, input, &step->raw_score);
    uint32_t inferred = now(p);
    if (step->score) {
        step->detection = ww_detector_push(&p->detector, step->raw_score, step->sample_index);
        step->smoothed_q15 = p->detector.smoothed_q15;
    }
    uint32_t decided = now(p);
    charge(&p->cost[WW_STAGE_FRONTEND], framed - started + p->pending_cost);
    p->pending_cost = 0;
    charge(&p->cost[WW_STAGE_MODEL], inferred - framed);
    charge(&p->cost[WW_STAGE_DETECTOR], decided - inferred);
}

size_t ww_pipeline_push(ww_pipeline *p, const int16_t *samples, size_t count, ww_step *step) {
    int16_t row[WW_MAX_COEFFS];
    size_t used;
    uint32_t started = now(p);
    memset(step, 0, sizeof *step);
    step->row = ww_frontend_push(&p->frontend, samples, count, &used, row);
    p->samples += used;
    if (!step->row) {
        p->pending_cost += now(p) - started;
        return used;
    }
    step->sample_index = p->samples;
    process_row(p, row, step, started);
    p->rows++;
    p->scores += step->score;
    p->detections += step->detection;
    p->cost_hops++;
    return used;
}
