/* Which models run: in each of WW_MAX_WORDS slots a stored one that came over the link; in slot 0,
 * when there is none, the one linked into the firmware. The models of the slots that are taken are
 * the pipeline's words, in the order of the slots, and share one arena.
 */
#ifndef WATCHWORD_MODELS_H
#define WATCHWORD_MODELS_H

#include "watchword/pipeline.h"

/* At boot. What a slot's model, or the linked one, could not run for is in models_rejected. */
void models_start(ww_pipeline *p);

/* Why a slot is empty although it has a model; WW_OK: it is not, or has none. */
ww_status models_rejected(uint32_t slot);

/* The slot of a word, and the word of a slot; WW_MAX_WORDS: that slot is empty. */
uint32_t models_slot(uint32_t word);
uint32_t models_word(uint32_t slot);

/* Working memory that no model uses. */
uint32_t models_arena_free(void);

/* What the latest model refused with WW_ERR_ARENA needed, and what the other slots' left for it. */
typedef struct {
    uint32_t needed, free;
} models_shortage;
models_shortage models_arena_shortage(void);

/* A model over the link; see model_store.h. After a commit the pipeline runs it in its slot; every
 * other word keeps its settings. */
ww_status models_begin(uint32_t slot, uint32_t image_bytes, uint32_t image_crc32) WW_CHECKED;
ww_status models_append(uint32_t offset, const void *bytes, size_t count) WW_CHECKED;
ww_status models_commit(void) WW_CHECKED;
void models_abort(void);
uint32_t models_receiving_slot(void);
uint32_t models_stored_bytes(void);

/* Forget a slot's stored model: slot 0 runs the linked one again, another is empty. */
ww_status models_remove(uint32_t slot) WW_CHECKED;

#endif
