/* The streaming engine as flat functions for the host. Sizes are size_t; what can fail returns a
 * count or 0, or a negated ww_status. */
#ifndef WATCHWORD_BIND_MODEL_H
#define WATCHWORD_BIND_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* ww_model_check of a copy, so the image may lie anywhere in memory. 0 or -status. */
int wwb_model_check(const uint8_t *image, size_t bytes);

/* ww_model_instructions in *count. 0 or -status. */
int wwb_model_instructions(const uint8_t *image, size_t bytes, uint32_t *count);

/* ww_models_keep_up: 0 or -status. */
int wwb_models_keep_up(uint64_t instructions, uint32_t core_hz);

/* Streams rows int8 [row_count][coeffs] from a fresh start; returns how many scores were made
 * (at most capacity are stored). */
long wwb_model_scores(const uint8_t *image, size_t bytes, const int8_t *rows, size_t row_count,
                      uint8_t *scores, size_t capacity);

/* The same, but yields every row of one value: 0 = the input, i + 1 = the output of layer i.
 * out: int8 [capacity][channels of that value]. Returns how many rows were made. For debugging
 * a quantised graph layer by layer. */
long wwb_model_values(const uint8_t *image, size_t bytes, const int8_t *rows, size_t row_count,
                      size_t value, int8_t *out, size_t capacity);

#endif
