#include "bind_model.h"

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* A model with its own aligned copy of the image and its own arena. */
typedef struct {
    ww_model model;
    void *image;
    void *arena;
} held_model;

static ww_status hold(held_model *held, const uint8_t *image, size_t bytes) {
    held->arena = NULL;
    held->image = malloc(bytes + 1);
    if (held->image == NULL) return WW_ERR_ARENA;
    memcpy(held->image, image, bytes);
    ww_status status = ww_model_check(held->image, bytes);
    if (status != WW_OK) return status;
    size_t arena_bytes = ((const ww_model_header *)held->image)->arena_bytes;
    held->arena = malloc(arena_bytes);
    if (held->arena == NULL) return WW_ERR_ARENA;
    return ww_model_init(&held->model, held->image, bytes, held->arena, arena_bytes);
}

static void let_go(held_model *held) {
    free(held->arena);
    free(held->image);
}

int wwb_model_check(const uint8_t *image, size_t bytes) {
    held_model held;
    ww_status status = hold(&held, image, bytes);
    let_go(&held);
    return -(int)status;
}

int wwb_model_instructions(const uint8_t *image, size_t bytes, uint32_t *count) {
    held_model held;
    ww_status status = hold(&held, image, bytes);
    if (status == WW_OK) *count = ww_model_instructions(held.image);
    let_go(&held);
    return -(int)status;
}

int wwb_models_keep_up(uint64_t instructions, uint32_t core_hz) {
    return -(int)ww_models_keep_up(instructions, core_hz);
}

long wwb_model_scores(const uint8_t *image, size_t bytes, const int8_t *rows, size_t row_count,
                      uint8_t *scores, size_t capacity) {
    held_model held;
    ww_status status = hold(&held, image, bytes);
    size_t made = 0;
    for (size_t i = 0; status == WW_OK && i < row_count; i++) {
        uint8_t score;
        if (ww_model_push(&held.model, rows + i * held.model.header->coeffs, &score)) {
            if (made < capacity) scores[made] = score;
            made++;
        }
    }
    let_go(&held);
    return status == WW_OK ? (long)made : -(long)status;
}

/* Push number of the value's first row, and pushes from one row to the next. */
static void timing_of(const ww_model *m, size_t value, uint32_t *first, uint32_t *step) {
    *first = value == 0 ? 1u : m->layers[value - 1].first_row;
    *step = value == 0 ? 1u : m->layers[value - 1].row_step;
}

long wwb_model_values(const uint8_t *image, size_t bytes, const int8_t *rows, size_t row_count,
                      size_t value, int8_t *out, size_t capacity) {
    held_model held;
    ww_status status = hold(&held, image, bytes);
    if (status == WW_OK && value > held.model.header->layer_count) status = WW_ERR_ARGUMENT;
    size_t made = 0;
    for (size_t i = 0; status == WW_OK && i < row_count; i++) {
        uint8_t score;
        uint32_t first, step;
        (void)ww_model_push(&held.model, rows + i * held.model.header->coeffs, &score);
        timing_of(&held.model, value, &first, &step);
        if (i + 1 >= first && (i + 1 - first) % step == 0) {
            ww_ring ring = ww_model_value(&held.model, (uint32_t)value);
            if (made < capacity) {
                memcpy(out + made * ring.channels, ww_ring_row(&ring, 0), ring.channels);
            }
            made++;
        }
    }
    let_go(&held);
    return status == WW_OK ? (long)made : -(long)status;
}
