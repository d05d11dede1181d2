/* Which model runs: the one linked into the firmware, or a newer one that came over the link. */
#ifndef WATCHWORD_MODELS_H
#define WATCHWORD_MODELS_H

#include "watchword/pipeline.h"

/* At boot: the newest stored model that can run here, else the linked one. */
ww_status models_start(ww_pipeline *p);

/* A model over the link; see model_store.h. After a commit the pipeline runs the new one. */
ww_status models_begin(uint32_t image_bytes, uint32_t image_crc32) WW_CHECKED;
ww_status models_append(uint32_t offset, const void *bytes, size_t count) WW_CHECKED;
ww_status models_commit(ww_pipeline *p) WW_CHECKED;
void models_abort(void);
uint32_t models_stored_bytes(void);

#endif
