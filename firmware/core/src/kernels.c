#include "kernels.h"

/* Steps through a ring row by row, oldest tap first. */
typedef struct {
    const ww_ring *ring;
    uint32_t index;
    uint32_t step;
} tap_walk;

static tap_walk walk_from_oldest(const ww_layer *layer, const ww_ring *ring) {
    tap_walk walk = {ring, 0, layer->dilation};
    walk.index = ww_ring_index(ring, (layer->taps - 1u) * (uint32_t)layer->dilation);
    return walk;
}

static const int8_t *walk_next(tap_walk *walk) {
    const int8_t *row = walk->ring->data + walk->index * walk->ring->channels;
    walk->index += walk->step;
    while (walk->index >= walk->ring->rows) {
        walk->index -= walk->ring->rows;
    }
    return row;
}

int32_t ww_requantise(int32_t x, int32_t multiplier, int shift) {
    int left = shift > 0 ? shift : 0;
    int right = shift > 0 ? 0 : -shift;
    /* A left shift that overflows wraps, as the reference does in practice. */
    int32_t shifted = (int32_t)((uint32_t)x << left);
    int32_t high = (int32_t)(((int64_t)shifted * multiplier + (1 << 30)) >> 31);
    /* Round half away from zero. */
    int32_t mask = (int32_t)((1u << right) - 1u);
    int32_t threshold = (mask >> 1) + (high < 0);
    return (high >> right) + ((high & mask) > threshold);
}

static int8_t clamp(const ww_layer *layer, int32_t value) {
    if (value < layer->out_min) return layer->out_min;
    if (value > layer->out_max) return layer->out_max;
    return (int8_t)value;
}

/* Accumulator of one output channel -> int8, with the channel's own scale. */
static int8_t finish(const ww_layer *layer, const ww_tables *tables, uint32_t channel,
                     int32_t accumulator) {
    int32_t value = ww_requantise(accumulator, tables->multiplier[channel], tables->shift[channel]);
    /* Unsigned: a hostile multiplier may bring the sum past INT32_MAX. */
    return clamp(layer, (int32_t)((uint32_t)value + (uint32_t)(int32_t)layer->zero_out));
}

static int32_t dot(const int8_t *x, const int8_t *w, uint32_t count) {
    int32_t sum = 0;
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        sum += x[i] * w[i] + x[i + 1] * w[i + 1] + x[i + 2] * w[i + 2] + x[i + 3] * w[i + 3];
    }
    for (; i < count; i++) {
        sum += x[i] * w[i];
    }
    return sum;
}

void ww_kernel_conv(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    uint32_t group_in = layer->in_channels / layer->groups;
    uint32_t group_out = layer->out_channels / layer->groups;
    const int8_t *weights = tables->weights;
    uint32_t first_in = 0, left_in_group = group_out;
    for (uint32_t o = 0; o < layer->out_channels; o++) {
        int32_t sum = tables->bias[o];
        tap_walk walk = walk_from_oldest(layer, in);
        for (uint32_t tap = 0; tap < layer->taps; tap++, weights += group_in) {
            sum += dot(walk_next(&walk) + first_in, weights, group_in);
        }
        out[o] = finish(layer, tables, o, sum);
        if (--left_in_group == 0) {
            left_in_group = group_out;
            first_in += group_in;
        }
    }
}

/* Four neighbouring channels at once, so that a row pointer is found once for four products. */
static void depthwise_4(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                        uint32_t c, int8_t *out) {
    const int32_t *bias = tables->bias + c;
    int32_t sum[4] = {bias[0], bias[1], bias[2], bias[3]};
    const int8_t *w = tables->weights + c;
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++, w += layer->out_channels) {
        const int8_t *x = walk_next(&walk) + c;
        sum[0] += x[0] * w[0];
        sum[1] += x[1] * w[1];
        sum[2] += x[2] * w[2];
        sum[3] += x[3] * w[3];
    }
    for (uint32_t i = 0; i < 4; i++) {
        out[c + i] = finish(layer, tables, c + i, sum[i]);
    }
}

static void depthwise_1(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                        uint32_t input_channel, uint32_t c, int8_t *out) {
    int32_t sum = tables->bias[c];
    const int8_t *w = tables->weights + c;
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++, w += layer->out_channels) {
        sum += walk_next(&walk)[input_channel] * *w;
    }
    out[c] = finish(layer, tables, c, sum);
}

void ww_kernel_depthwise(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                         int8_t *out) {
    uint32_t per_input = layer->out_channels / layer->in_channels;
    uint32_t c = 0;
    if (per_input == 1) {
        for (; c + 4 <= layer->out_channels; c += 4) {
            depthwise_4(layer, tables, in, c, out);
        }
    }
    for (; c < layer->out_channels; c++) {
        depthwise_1(layer, tables, in, c / per_input, c, out);
    }
}

void ww_kernel_add(const ww_layer *layer, const ww_tables *tables, const ww_ring *a,
                   const ww_ring *b, int8_t *out) {
    const int8_t *row_a = ww_ring_row(a, layer->lag_a);
    const int8_t *row_b = ww_ring_row(b, layer->lag_b);
    const int32_t *multiplier = tables->multiplier;
    const int8_t *shift = tables->shift;
    int32_t unit = 1 << layer->left_shift;
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t in_a = (row_a[c] - layer->zero_a) * unit;
        int32_t in_b = (row_b[c] - layer->zero_b) * unit;
        int32_t sum = ww_requantise(in_a, multiplier[0], shift[0]) +
                      ww_requantise(in_b, multiplier[1], shift[1]);
        out[c] = clamp(layer, ww_requantise(sum, multiplier[2], shift[2]) + layer->zero_out);
    }
}

static int32_t sum_over_taps(const ww_layer *layer, const ww_ring *in, uint32_t channel) {
    int32_t sum = 0;
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++) {
        sum += walk_next(&walk)[channel];
    }
    return sum;
}

void ww_kernel_average(const ww_layer *layer, const ww_ring *in, int8_t *out) {
    int32_t count = layer->taps;
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t sum = sum_over_taps(layer, in, c);
        out[c] = clamp(layer, (sum > 0 ? sum + count / 2 : sum - count / 2) / count);
    }
}

void ww_kernel_mean(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    const ww_layer *l = layer;
    for (uint32_t c = 0; c < l->out_channels; c++) {
        int32_t sum = sum_over_taps(l, in, c) + tables->bias[0];
        int32_t value = ww_requantise(sum, tables->multiplier[0], tables->shift[0]);
        out[c] = clamp(l, (int32_t)((uint32_t)value + (uint32_t)(int32_t)l->zero_out));
    }
}

void ww_kernel_lut(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out) {
    const int8_t *row = ww_ring_row(in, 0);
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        out[c] = tables->weights[row[c] + 128];
    }
}
