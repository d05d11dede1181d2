/* The int8 kernels of the streaming engine: each computes one output row of one layer.
 *
 * Quantised arithmetic is that of the TFLite reference kernels, bit for bit: int32 accumulators,
 * a Q32 multiplier and a power of two per output channel, both steps rounded. Nothing here checks
 * its arguments: ww_model_check has. The plain definitions are in tests/c/reference_kernels.c.
 */
#ifndef WATCHWORD_KERNELS_H
#define WATCHWORD_KERNELS_H

#include "watchword/model.h"

/* The latest rows of one value. */
typedef struct {
    int8_t *data;      /* [rows][channels] */
    uint32_t channels; /* bytes of a row */
    uint32_t rows;
    uint32_t latest; /* index of the newest row */
} ww_ring;

/* A layer's constants in the image; a pointer its op has no use for is not read. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    const uint32_t *multiplier;
    const int8_t *shift;
} ww_tables;

/* Index in the ring of the row `age` rows before the latest; age < rows. */
static inline uint32_t ww_ring_index(const ww_ring *ring, uint32_t age) {
    return ring->latest >= age ? ring->latest - age : ring->latest + ring->rows - age;
}

static inline const int8_t *ww_ring_row(const ww_ring *ring, uint32_t age) {
    return ring->data + ww_ring_index(ring, age) * ring->channels;
}

/* The ring of value 0 (the input) or of the output of layer value - 1. */
ww_ring ww_model_value(const ww_model *m, uint32_t value);

/* x * multiplier * 2^(shift - 32), shift -31..30; rounds twice as TFLite does. */
int32_t ww_requantise(int32_t x, uint32_t multiplier, int shift);

/* out: one row of layer->out_channels. */
void ww_kernel_conv(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out);
void ww_kernel_depthwise(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                         int8_t *out);
void ww_kernel_add(const ww_layer *layer, const ww_tables *tables, const ww_ring *a,
                   const ww_ring *b, int8_t *out);
void ww_kernel_average(const ww_layer *layer, const ww_ring *in, int8_t *out);
void ww_kernel_mean(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out);
void ww_kernel_lut(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out);

#endif
