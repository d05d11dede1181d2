/* Streaming int8 inference over a model image.
 *
 * An image (a C array in flash, or a file sent over the link) holds a header, a table of layers,
 * weights and the normalisation tables; its layout is generated into ww_model_format.h. The model
 * is a stack of temporal layers with valid padding, so one row in computes exactly what the whole
 * window would.
 */
#ifndef WATCHWORD_MODEL_H
#define WATCHWORD_MODEL_H

#include "watchword/detector.h"
#include "watchword/types.h"
#include "ww_model_format.h" /* generated: ww_model_header, ww_layer, op codes */

WW_BEGIN_DECLS

typedef struct {
    const ww_model_header *header; /* in the image */
    const ww_layer *layers;        /* in the image */
    const int16_t *norm_mean;      /* in the image, [header->coeffs] */
    const void *norm_gain;         /* in the image, [header->coeffs]; uint16, affine: uint32 */
    const uint16_t *norm_spread;   /* in the image, [header->coeffs]; NULL but for running_mv */
    uint8_t *arena;                /* ring buffers and scratch, owned by the caller */
    uint32_t rows;                 /* rows pushed since reset, saturating */
} ww_model;

/* Is this a complete, intact image for this firmware and front end? Trusts nothing in it:
 * every offset, size and op is checked, so that ww_model_push can run without checks. */
ww_status ww_model_check(const void *image, size_t image_bytes) WW_CHECKED;

/* The detector settings that the image brings, with which it starts. */
ww_detector_config ww_model_detector(const ww_model_header *header);

/* The settings of one of its presets, 0..WW_PRESETS - 1. WW_ERR_PRESET: it has none, or not so
 * many. `image` has passed ww_model_check. */
ww_status ww_model_preset(const void *image, uint32_t preset,
                          ww_detector_config *config) WW_CHECKED;

/* Which preset these settings are; WW_NO_PRESET for none. */
uint8_t ww_model_preset_of(const void *image, const ww_detector_config *config);

/* An upper estimate of the instructions for a second of audio, from what the layers multiply and
 * write. `image` has passed ww_model_check. Saturates. */
uint32_t ww_model_instructions(const void *image);

/* WW_ERR_REAL_TIME: a core of this rate would fall behind the audio with that many instructions a
 * second, the sum of all models that are to run at once. */
ww_status ww_models_keep_up(uint64_t instructions, uint32_t core_hz) WW_CHECKED;

/* The part of ww_model_init that does not depend on the engine: checks, then finds the image's
 * tables. An engine is the four functions below; model.c is the one, firmware/engine/ has another.
 */
ww_status ww_model_bind(ww_model *m, const void *image, size_t image_bytes) WW_CHECKED;

/* Checks, then binds image and arena. Arena: header->arena_bytes, 4-byte aligned. */
ww_status ww_model_init(ww_model *m, const void *image, size_t image_bytes, void *arena,
                        size_t arena_bytes) WW_CHECKED;
void ww_model_reset(ww_model *m);

/* One int8 row [header->coeffs]. True = *score (0..255) is the score of the window that ends
 * with this row. Nothing is produced before the first whole receptive field. */
bool ww_model_push(ww_model *m, const int8_t *row, uint8_t *score);

/* How much of the arena is used. */
size_t ww_model_arena_bytes(const ww_model *m);

WW_END_DECLS

#endif
