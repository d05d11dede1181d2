/* Flat batch functions over the C core for Python: loops only, no logic of their own. */
#include <stdint.h>

uint32_t wwb_spec_id(void);

/* Rows of the front end over pcm[count]; returns the number written (rows[capacity][coeffs]), or
 * -status. */
long wwb_frontend_rows(const int16_t *pcm, long count, uint16_t kind, uint16_t hop_samples,
                       uint16_t coeffs, int16_t *rows, long capacity);

/* rows[count][coeffs] -> out[count][coeffs]; spread: NULL but for running_mv. 0 or -status. */
int wwb_normalise(const int16_t *rows, long count, uint16_t coeffs, uint16_t mode,
                  uint16_t alpha_q15, const int16_t *mean, const uint16_t *gain,
                  const uint16_t *spread, int8_t *out);

/* scores[count] whose windows end at samples[count] -> smoothed_q15[count], fired[count] (0, 1);
 * 0 or -status. */
int wwb_detect(const uint8_t *scores, const uint64_t *samples, long count, uint16_t smoothing,
               uint16_t high_q15, uint16_t low_q15, uint16_t cooldown_ms, uint16_t *smoothed_q15,
               uint8_t *fired);

/* A pipeline over a model image, which must outlive it. With smoothing 0 the image's own detector
 * settings apply. NULL: *status says why. */
typedef struct wwb_pipeline wwb_pipeline;
wwb_pipeline *wwb_pipeline_new(const uint8_t *image, long image_bytes, uint16_t smoothing,
                               uint16_t high_q15, uint16_t low_q15, uint16_t cooldown_ms,
                               int *status);
void wwb_pipeline_free(wwb_pipeline *p);

/* The next pcm[count], fed in pieces of at most `chunk` samples (0 = all at once). The outputs hold
 * one entry a score; returns their number, at most `capacity`. */
long wwb_pipeline_feed(wwb_pipeline *p, const int16_t *pcm, long count, long chunk, uint8_t *scores,
                       uint16_t *smoothed_q15, uint64_t *samples, uint8_t *fired, long capacity);
long wwb_pipeline_rows(const wwb_pipeline *p); /* so far */
