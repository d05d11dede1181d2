#include "models.h"

#include "board.h"
#include "model.h"
#include "model_store.h"

/* A board with RAM to spare sets more aside than its linked model needs, for what may come. */
#ifndef WATCHWORD_ARENA_BYTES
#define WATCHWORD_ARENA_BYTES 0
#endif
#define ALIGNED_TO 16u /* each model's part of the arena */
#define ROUNDED(bytes) (((bytes) + ALIGNED_TO - 1u) & ~(ALIGNED_TO - 1u))
#define ARENA_BYTES                                                                        \
    ROUNDED(WATCHWORD_ARENA_BYTES > WW_MODEL_ARENA_BYTES ? (uint32_t)WATCHWORD_ARENA_BYTES \
                                                         : WW_MODEL_ARENA_BYTES)

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(ALIGNED_TO)));
static model_store store;
static ww_pipeline *pipeline;
static stored_model running[WW_MAX_WORDS]; /* by slot; no image: it is empty */
static ww_status rejected[WW_MAX_WORDS];
static models_shortage shortage;

/* These models, checked before, as the pipeline's words: all of them, or up to the one that does
 * not fit. */
static ww_status fill_pipeline(const stored_model *models) {
    ww_status status = WW_OK;
    uint64_t instructions = 0;
    uint32_t used = 0;
    ww_pipeline_init(pipeline, board_counter);
    for (uint32_t slot = 0; slot < WW_MAX_WORDS && status == WW_OK; slot++) {
        const ww_model_header *header = models[slot].image;
        if (header == NULL) continue;
        instructions += ww_model_instructions(header);
        status = ww_models_keep_up(instructions, board_core_hz());
        if (status == WW_OK)
            status = ww_pipeline_add(pipeline, header, models[slot].bytes, arena + used,
                                     sizeof arena - used);
        if (status == WW_OK) used += ROUNDED(header->arena_bytes);
    }
    return status;
}

/* What the models of all slots but this one leave of the arena. */
static uint32_t free_beside(uint32_t slot) {
    uint32_t used = 0;
    for (uint32_t other = 0; other < WW_MAX_WORDS; other++) {
        const ww_model_header *header = running[other].image;
        if (other != slot && header != NULL) used += ROUNDED(header->arena_bytes);
    }
    return (uint32_t)sizeof arena - used;
}

/* The detector settings of the words, to be given back to those that stay. */
typedef struct {
    uint32_t count;
    struct {
        const ww_model_header *header;
        ww_detector_config detector;
    } words[WW_MAX_WORDS];
} kept_settings;

static kept_settings keep_settings(void) {
    kept_settings kept = {.count = pipeline->word_count};
    for (uint32_t w = 0; w < kept.count; w++) {
        kept.words[w].header = pipeline->words[w].model.header;
        kept.words[w].detector = pipeline->words[w].detector.config;
    }
    return kept;
}

static void restore_settings(const kept_settings *kept) {
    for (uint32_t w = 0; w < pipeline->word_count; w++) {
        for (uint32_t k = 0; k < kept->count; k++) {
            if (kept->words[k].header != pipeline->words[w].model.header) continue;
            if (ww_pipeline_configure(pipeline, w, &kept->words[k].detector) == WW_OK) break;
        }
    }
}

/* Change what runs in a slot; every other word keeps its settings. */
static ww_status replace_slot(uint32_t slot, stored_model model) {
    const stored_model before = running[slot];
    const kept_settings kept = keep_settings();
    running[slot] = model;
    ww_status status = fill_pipeline(running);
    if (status != WW_OK) {
        running[slot] = before;
        (void)fill_pipeline(running); /* as it was */
    }
    restore_settings(&kept);
    return status;
}

/* model_store.h: tried beside the models of the other slots, and then taken out again. */
static ww_status can_run(uint32_t slot, const void *image, size_t bytes) {
    const stored_model before = running[slot];
    const kept_settings kept = keep_settings();
    const ww_model_header *header = image;
    ww_status status = ww_model_check(image, bytes);
    if (status == WW_OK) status = replace_slot(slot, (stored_model){image, bytes});
    if (status == WW_OK) {
        status = replace_slot(slot, before);
        restore_settings(&kept);
    } else if (status == WW_ERR_ARENA) {
        shortage = (models_shortage){header->arena_bytes, free_beside(slot)};
    }
    rejected[slot] = status;
    return status;
}

static void start_slot(uint32_t slot) {
    stored_model model = model_store_open(&store, slot);
    if (model.image == NULL && slot == 0) {
        model = (stored_model){ww_model_image, ww_model_image_bytes};
        if (can_run(slot, model.image, model.bytes) != WW_OK) return;
    }
    if (model.image != NULL) rejected[slot] = replace_slot(slot, model);
}

void models_start(ww_pipeline *p) {
    pipeline = p;
    ww_pipeline_init(p, board_counter);
    model_store_init(&store, can_run,
                     ((const ww_model_header *)(const void *)ww_model_image)->crc32);
    for (uint32_t slot = 0; slot < WW_MAX_WORDS; slot++)
        start_slot(slot);
}

ww_status models_rejected(uint32_t slot) {
    return running[slot].image == NULL ? rejected[slot] : WW_OK;
}

uint32_t models_slot(uint32_t word) {
    uint32_t slot = 0;
    for (; slot < WW_MAX_WORDS; slot++)
        if (running[slot].image != NULL && word-- == 0) break;
    return slot;
}

uint32_t models_word(uint32_t slot) {
    uint32_t word = 0;
    if (running[slot].image == NULL) return WW_MAX_WORDS;
    for (uint32_t before = 0; before < slot; before++)
        word += running[before].image != NULL;
    return word;
}

uint32_t models_arena_free(void) {
    return free_beside(WW_MAX_WORDS);
}

models_shortage models_arena_shortage(void) {
    return shortage;
}

ww_status models_begin(uint32_t slot, uint32_t image_bytes, uint32_t image_crc32) {
    return model_store_begin(&store, slot, image_bytes, image_crc32);
}

ww_status models_append(uint32_t offset, const void *bytes, size_t count) {
    return model_store_append(&store, offset, bytes, count);
}

ww_status models_commit(void) {
    stored_model stored;
    ww_status status = model_store_commit(&store, &stored);
    return status == WW_OK ? replace_slot(store.slot, stored) : status; /* can_run said yes */
}

void models_abort(void) {
    model_store_abort(&store);
}

uint32_t models_receiving_slot(void) {
    return store.slot;
}

uint32_t models_stored_bytes(void) {
    return store.stored_bytes;
}

ww_status models_remove(uint32_t slot) {
    ww_status status = model_store_remove(&store, slot);
    if (status != WW_OK) return status;
    stored_model linked = {ww_model_image, ww_model_image_bytes}, nothing = {NULL, 0};
    bool fits = slot == 0 && can_run(slot, linked.image, linked.bytes) == WW_OK;
    return replace_slot(slot, fits ? linked : nothing);
}
