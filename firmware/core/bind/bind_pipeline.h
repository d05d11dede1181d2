/* Flat batch functions over the C core for Python: loops only, no logic of their own. Sizes are
 * size_t; what can fail returns a count or 0, or a negated ww_status. */
#ifndef WATCHWORD_BIND_PIPELINE_H
#define WATCHWORD_BIND_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

uint32_t wwb_spec_id(void);

/* Rows of the front end over pcm[count]; returns the number written (rows[capacity][coeffs]), or
 * -status. */
long wwb_frontend_rows(const int16_t *pcm, size_t count, uint16_t kind, uint16_t hop_samples,
                       uint16_t coeffs, int16_t *rows, size_t capacity);

/* rows[count][coeffs] -> out[count][coeffs]; gain: uint16, in mode affine uint32;
 * spread: NULL but for running_mv. 0 or -status. */
int wwb_normalise(const int16_t *rows, size_t count, uint16_t coeffs, uint16_t mode,
                  uint16_t alpha_q15, const int16_t *mean, const void *gain, const uint16_t *spread,
                  int8_t *out);

/* ww_detector_config, which cffi reads here. */
typedef struct {
    uint16_t smoothing, high_q15, low_q15, cooldown_ms;
} wwb_detector;

/* scores[count] whose windows end at samples[count] -> smoothed_q15[count], fired[count] (0, 1);
 * 0 or -status. */
int wwb_detect(const uint8_t *scores, const uint64_t *samples, size_t count,
               const wwb_detector *settings, uint16_t *smoothed_q15, uint8_t *fired);

/* A pipeline of `count` words over their model images, which must outlive it; settings[count],
 * where smoothing 0 stands for the image's own. Returns NULL when it fails: why in *status, and at
 * which image in *failed. */
typedef struct wwb_pipeline wwb_pipeline;
int wwb_max_words(void);
wwb_pipeline *wwb_pipeline_new(const uint8_t *const *images, const size_t *image_bytes,
                               const wwb_detector *settings, size_t count, int *status,
                               size_t *failed);
void wwb_pipeline_free(wwb_pipeline *p);

/* The next pcm[count], fed in pieces of at most `chunk` samples (0 = all at once). The outputs hold
 * one entry a score, of whatever word; returns their number, at most `capacity`. */
long wwb_pipeline_feed(wwb_pipeline *p, const int16_t *pcm, size_t count, size_t chunk,
                       uint8_t *words, uint8_t *scores, uint16_t *smoothed_q15, uint64_t *samples,
                       uint8_t *fired, size_t capacity);
long wwb_pipeline_rows(const wwb_pipeline *p, size_t word); /* so far */

#endif
