/* The whole chain as one object: audio -> rows -> scores -> events, for one word or several, with
 * absolute sample indices.
 *
 *   samples -+-> front end --+-> normaliser -> model -> detector    word 0
 *            |               +-> normaliser -> model -> detector    word 1
 *            +-> another one --> normaliser -> model -> detector    word 2
 *
 * Models whose rows come from the same kind of features at the same hop share one front end: a
 * further word costs what its model does. Words are numbered from 0 in the order of adding.
 */
#ifndef WATCHWORD_PIPELINE_H
#define WATCHWORD_PIPELINE_H

#include "watchword/detector.h"
#include "watchword/frontend.h"
#include "watchword/model.h"
#include "watchword/normaliser.h"

WW_BEGIN_DECLS

/* What a pipeline has room for; set them for the whole build to change it. */
#ifndef WW_MAX_WORDS
#define WW_MAX_WORDS WW_USUAL_MAX_WORDS
#endif
#ifndef WW_MAX_FRONTENDS
#define WW_MAX_FRONTENDS (WW_MAX_WORDS < 2 ? WW_MAX_WORDS : 2)
#endif

typedef enum { WW_STAGE_FRONTEND, WW_STAGE_MODEL, WW_STAGE_DETECTOR, WW_STAGES } ww_stage;

typedef struct {
    uint64_t total;
    uint32_t min, max; /* per hop, in units of the counter */
} ww_stage_cost;

typedef struct {
    ww_frontend frontend;
    uint32_t pending; /* cost since its last row */
} ww_shared_frontend;

typedef struct {
    ww_normaliser normaliser;
    ww_model model;
    ww_detector detector;
    uint8_t frontend;                  /* which one gives its rows */
    uint32_t rows, scores, detections; /* since the last reset */
    /* The stages of all words add up to the whole cost: a shared front end is charged to the first
     * word that uses it, the others are charged for their normaliser alone. */
    ww_stage_cost cost[WW_STAGES];
    uint32_t cost_hops;
} ww_word;

typedef struct {
    ww_shared_frontend frontends[WW_MAX_FRONTENDS];
    ww_word words[WW_MAX_WORDS];
    uint8_t frontend_count, word_count;
    uint64_t samples;          /* taken since the last reset */
    uint32_t (*counter)(void); /* cycles or instructions, free running; NULL = not measured */
} ww_pipeline;

typedef struct {
    bool row, score, detection;
    uint8_t raw_score;     /* valid when score */
    uint16_t smoothed_q15; /* valid when score */
} ww_word_step;

/* What one push produced. */
typedef struct {
    uint64_t sample_index; /* end of what was taken (exclusive), which is that of a row */
    ww_word_step words[WW_MAX_WORDS];
} ww_step;

/* A pipeline without words. counter may be NULL. */
void ww_pipeline_init(ww_pipeline *p, uint32_t (*counter)(void));

/* One word more; its number is the word_count before. All audio is forgotten, of every word.
 * image: a model image, checked here and kept by reference (flash is fine), 16-byte aligned.
 * arena: this word's own, at least the image's arena bytes, 4-byte aligned.
 * On error nothing has changed; WW_ERR_WORDS: there are WW_MAX_WORDS, WW_ERR_FRONTENDS: it would
 * need one more than WW_MAX_FRONTENDS. */
ww_status ww_pipeline_add(ww_pipeline *p, const void *image, size_t image_bytes, void *arena,
                          size_t arena_bytes) WW_CHECKED;

/* Forget all audio; keeps the words, their detector configuration and the cost counters. */
void ww_pipeline_reset(ww_pipeline *p);
void ww_pipeline_reset_costs(ww_pipeline *p);

/* Replace a word's detector settings; on error nothing changes. WW_ERR_ARGUMENT: no such word, or
 * settings that ww_detector_check refuses. */
ww_status ww_pipeline_configure(ww_pipeline *p, uint32_t word,
                                const ww_detector_config *config) WW_CHECKED;

/* Take samples up to the next row of any front end; returns how many were taken and fills *step. */
size_t ww_pipeline_push(ww_pipeline *p, const int16_t *samples, size_t count, ww_step *step);

WW_END_DECLS

#endif
