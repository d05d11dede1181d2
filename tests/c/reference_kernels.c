/* The kernels as their definition reads: one output after the other, one product after the other.
 * The product's kernels.c must give the same integers; test_reference.py compares them, and the
 * tests in tests/host compare both with TFLite Micro.
 */
#include "kernels.h"

static int8_t input_at(const ww_layer *layer, const ww_ring *ring, uint32_t tap, uint32_t channel) {
    return ww_ring_row(ring, (layer->taps - 1u - tap) * layer->dilation)[channel];
}

static int8_t output(const ww_layer *layer, int64_t value) {
    if (value < layer->out_min) return layer->out_min;
    return value > layer->out_max ? layer->out_max : (int8_t)value;
}

/* Shift left, multiply and round, shift right and round halves away from zero. */
int32_t ww_requantise(int32_t x, uint32_t multiplier, int shift) {
    int right = shift > 0 ? 0 : -shift;
    int32_t shifted = (int32_t)((uint32_t)x << (shift > 0 ? shift : 0));
    int64_t high = ((int64_t)shifted * multiplier + ((int64_t)1 << 31)) >> 32;
    int64_t half = right ? (int64_t)1 << (right - 1) : 0;
    return (int32_t)(high < 0 ? -((-high + half) >> right) : (high + half) >> right);
}

static int8_t finish(const ww_layer *layer, const ww_tables *tables, uint32_t channel,
                     int32_t sum) {
    int32_t value = ww_requantise(sum, tables->multiplier[channel], tables->shift[channel]);
    return output(layer, (int32_t)((uint32_t)value + (uint32_t)layer->zero_out));
}

void ww_kernel_conv(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    uint32_t inputs = layer->in_channels / layer->groups;
    uint32_t outputs = layer->out_channels / layer->groups;
    for (uint32_t o = 0; o < layer->out_channels; o++) {
        uint32_t group = o / outputs;
        int32_t sum = tables->bias[o];
        for (uint32_t tap = 0; tap < layer->taps; tap++) {
            for (uint32_t i = 0; i < inputs; i++) {
                int32_t x = input_at(layer, in, tap, group * inputs + i) - layer->zero_a;
                uint32_t row = (group * layer->taps + tap) * inputs + i;
                sum += x * tables->weights[row * outputs + o % outputs];
            }
        }
        out[o] = finish(layer, tables, o, sum);
    }
}

void ww_kernel_depthwise(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                         int8_t *out) {
    uint32_t per_input = layer->out_channels / layer->in_channels;
    for (uint32_t o = 0; o < layer->out_channels; o++) {
        int32_t sum = tables->bias[o];
        for (uint32_t tap = 0; tap < layer->taps; tap++) {
            sum += input_at(layer, in, tap, o / per_input) *
                   tables->weights[tap * layer->out_channels + o];
        }
        out[o] = finish(layer, tables, o, sum);
    }
}

void ww_kernel_add(const ww_layer *layer, const ww_tables *tables, const ww_ring *a,
                   const ww_ring *b, int8_t *out) {
    const uint32_t half = 1u << 31;
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t in_a = ww_ring_row(a, layer->lag_a)[c] - layer->zero_a;
        int32_t in_b = ww_ring_row(b, layer->lag_b)[c] - layer->zero_b;
        int32_t unit = 1 << WW_MODEL_ADD_SHIFT;
        int32_t sum = ww_requantise(in_a * unit, tables->multiplier[0], tables->shift[0]) +
                      ww_requantise(in_b * unit, half, 0);
        out[c] = output(
            layer, ww_requantise(sum, tables->multiplier[1], tables->shift[1]) + layer->zero_out);
    }
}

static int32_t sum_over_taps(const ww_layer *layer, const ww_ring *in, uint32_t channel) {
    int32_t sum = 0;
    for (uint32_t tap = 0; tap < layer->taps; tap++)
        sum += input_at(layer, in, tap, channel);
    return sum;
}

void ww_kernel_average(const ww_layer *layer, const ww_ring *in, int8_t *out) {
    int32_t count = layer->taps;
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t sum = sum_over_taps(layer, in, c);
        out[c] = output(layer, (sum > 0 ? sum + count / 2 : sum - count / 2) / count);
    }
}

void ww_kernel_mean(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t sum = sum_over_taps(layer, in, c) + tables->bias[0];
        int32_t value = ww_requantise(sum, tables->multiplier[0], tables->shift[0]);
        out[c] = output(layer, (int32_t)((uint32_t)value + (uint32_t)layer->zero_out));
    }
}

void ww_kernel_lut(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out) {
    for (uint32_t c = 0; c < layer->out_channels; c++)
        out[c] = tables->weights[256 * (c % layer->groups) + ww_ring_row(in, 0)[c] + 128];
}
