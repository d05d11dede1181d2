/* The whole chain as one object: audio -> row -> score -> event, with absolute sample indices. */
#ifndef WATCHWORD_PIPELINE_H
#define WATCHWORD_PIPELINE_H

#include "watchword/detector.h"
#include "watchword/frontend.h"
#include "watchword/model.h"
#include "watchword/normaliser.h"

WW_BEGIN_DECLS

typedef enum { WW_STAGE_FRONTEND, WW_STAGE_MODEL, WW_STAGE_DETECTOR, WW_STAGES } ww_stage;

typedef struct {
    uint64_t total;
    uint32_t min, max; /* per hop, in units of the counter */
} ww_stage_cost;

typedef struct {
    ww_frontend frontend;
    ww_normaliser normaliser;
    ww_model model;
    ww_detector detector;
    uint64_t samples; /* taken since the last reset */
    uint32_t rows, scores, detections;
    uint32_t (*counter)(void); /* cycles or instructions, free running; NULL = not measured */
    ww_stage_cost cost[WW_STAGES];
    uint32_t cost_hops;
    uint32_t pending_cost; /* of pushes since the last row, part of the next row's front end */
} ww_pipeline;

/* What one push produced. */
typedef struct {
    bool row, score, detection;
    uint8_t raw_score;     /* valid when score */
    uint16_t smoothed_q15; /* valid when score */
    uint64_t sample_index; /* end of the hop (exclusive), valid when row */
} ww_step;

/* image: a checked model image, kept by reference (flash is fine), 16-byte aligned.
 * arena: at least the image's arena bytes, 4-byte aligned. counter may be NULL. */
ww_status ww_pipeline_init(ww_pipeline *p, const void *image, size_t image_bytes, void *arena,
                           size_t arena_bytes, uint32_t (*counter)(void)) WW_CHECKED;

/* Forget all audio; keeps the detector configuration and the cost counters. */
void ww_pipeline_reset(ww_pipeline *p);
void ww_pipeline_reset_costs(ww_pipeline *p);

/* Replace the detector settings; on error nothing changes. */
ww_status ww_pipeline_configure(ww_pipeline *p, const ww_detector_config *config) WW_CHECKED;

/* Take samples up to the end of one hop; returns how many were taken and fills *step. */
size_t ww_pipeline_push(ww_pipeline *p, const int16_t *samples, size_t count, ww_step *step);

WW_END_DECLS

#endif
