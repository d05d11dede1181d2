#include "models.h"

#include "board.h"
#include "model.h"
#include "model_store.h"

/* A board with RAM to spare sets more aside than its linked model needs, for what may come. */
#ifndef WATCHWORD_ARENA_BYTES
#define WATCHWORD_ARENA_BYTES 0
#endif
#define ARENA_BYTES \
    (WATCHWORD_ARENA_BYTES > WW_MODEL_ARENA_BYTES ? WATCHWORD_ARENA_BYTES : WW_MODEL_ARENA_BYTES)

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(16)));
static model_store store;

static ww_status can_run(const void *image, size_t bytes) {
    const ww_model_header *header = image;
    ww_status status = ww_model_check(image, bytes);
    if (status != WW_OK) return status;
    if (header->arena_bytes > sizeof arena) return WW_ERR_ARENA;
    return ww_models_keep_up(ww_model_instructions(image), board_core_hz());
}

static ww_status run(ww_pipeline *p, const void *image, size_t bytes) {
    ww_pipeline_init(p, board_counter);
    return ww_pipeline_add(p, image, bytes, arena, sizeof arena);
}

ww_status models_start(ww_pipeline *p) {
    const ww_model_header *linked = (const void *)ww_model_image;
    stored_model stored = model_store_open(&store, can_run, linked->crc32);
    if (stored.image != NULL && run(p, stored.image, stored.bytes) == WW_OK) return WW_OK;
    ww_status status = can_run(ww_model_image, ww_model_image_bytes);
    return status == WW_OK ? run(p, ww_model_image, ww_model_image_bytes) : status;
}

ww_status models_begin(uint32_t image_bytes, uint32_t image_crc32) {
    return model_store_begin(&store, image_bytes, image_crc32);
}

ww_status models_append(uint32_t offset, const void *bytes, size_t count) {
    return model_store_append(&store, offset, bytes, count);
}

ww_status models_commit(ww_pipeline *p) {
    stored_model stored;
    ww_status status = model_store_commit(&store, &stored);
    return status == WW_OK ? run(p, stored.image, stored.bytes)
                           : status; /* run: can_run said yes */
}

void models_abort(void) {
    model_store_abort(&store);
}

uint32_t models_stored_bytes(void) {
    return store.stored_bytes;
}
