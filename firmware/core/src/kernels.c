#define WW_HOTTEST
#include "hot.h"

#include "kernels.h"

#include "product.h"

/* Output channels that share one pass over the input: as many sums as there are registers beside
 * pointers and weights. The other sizes take what is left over. */
#if defined(__XTENSA__)
#define WIDE 6
#else
#define WIDE 16
#endif
#define MEDIUM 8
#define NARROW 4
#define MOST_ROWS 16 /* taps of a depthwise conv that is done in blocks */

/* Steps through a ring row by row, oldest tap first. */
typedef struct {
    const int8_t *row;
    const int8_t *end; /* of the ring */
    int32_t step;      /* bytes from tap to tap, less than the ring if there is more than one */
    int32_t back;      /* the same where it leads past the end */
} tap_walk;

static inline tap_walk walk_from_oldest(const ww_layer *layer, const ww_ring *ring) {
    uint32_t age = (layer->taps - 1u) * (uint32_t)layer->dilation;
    uint32_t bytes = ring->rows * ring->channels, step = layer->dilation * ring->channels;
    tap_walk walk = {ww_ring_row(ring, age), ring->data + bytes, (int32_t)step,
                     (int32_t)(step - bytes)};
    return walk;
}

static inline const int8_t *walk_next(tap_walk *walk) {
    const int8_t *row = walk->row;
    walk->row += walk->step < walk->end - row ? walk->step : walk->back;
    return row;
}

/* Ties round away from zero. */
static inline int32_t shifted_right(int32_t x, int right) {
    if (right == 0) return x;
    return (((x + (x >> 31)) >> (right - 1)) + 1) >> 1;
}

int32_t ww_requantise(int32_t x, uint32_t multiplier, int shift) {
    /* A left shift that overflows wraps, as the reference does in practice. */
    if (shift >= 0) return ww_mul_rounded((int32_t)((uint32_t)x << shift), multiplier);
    return shifted_right(ww_mul_rounded(x, multiplier), -shift);
}

static inline int8_t clamped(int32_t value, int32_t low, int32_t high) {
    value = value < low ? low : value;
    value = value > high ? high : value;
    return (int8_t)value;
}

/* ww_requantise for a loop of its own, with the output's zero point. */
static inline int32_t requantised(int32_t x, uint32_t multiplier, int shift, int32_t zero) {
    int32_t value = WW_RARE(shift >= 0) ? ww_requantise(x, multiplier, shift)
                                        : shifted_right(ww_mul_rounded(x, multiplier), -shift);
    /* Unsigned: a hostile multiplier may bring the sum past INT32_MAX. */
    return (int32_t)((uint32_t)value + (uint32_t)zero);
}

/* Sums -> int8 where the least output is the zero point, as after a ReLU. Shifted to the right, a
 * product has its sum's sign or is 0: what is not positive becomes the least output without one,
 * and the rest is rounded and clamped on one side only. */
static void finish_rectified(const int32_t *sums, uint32_t count, const uint32_t *multiplier,
                             const int8_t *shift, int32_t zero, int32_t high, int8_t *out) {
    for (const int32_t *end = sums + count; sums < end; sums++, multiplier++, shift++, out++) {
        int32_t sum = *sums, right = -*shift, value;
        if (WW_RARE(right <= 0)) {
            value = requantised(sum, *multiplier, -right, zero);
            *out = clamped(value, zero, high);
        } else if (sum <= 0) {
            *out = (int8_t)zero;
        } else {
            value = (((ww_mul_rounded(sum, *multiplier) >> (right - 1)) + 1) >> 1) + zero;
            *out = (int8_t)(value > high ? high : value);
        }
    }
}

/* Sums of `count` output channels from `first` on -> int8, each with its channel's own scale. */
static void finish(const ww_layer *layer, const ww_tables *tables, uint32_t first, uint32_t count,
                   const int32_t *sums, int8_t *out) {
    /* Copies: for all the compiler knows, out might point at them. */
    const int32_t low = layer->out_min, high = layer->out_max, zero = layer->zero_out;
    const uint32_t *multiplier = tables->multiplier + first;
    const int8_t *shift = tables->shift + first;
    out += first;
    if (low == zero) {
        finish_rectified(sums, count, multiplier, shift, zero, high, out);
        return;
    }
    for (; count >= NARROW; count -= NARROW) {
        WW_UNROLL
        for (uint32_t i = 0; i < NARROW; i++)
            out[i] = clamped(requantised(sums[i], multiplier[i], shift[i], zero), low, high);
        sums += NARROW, multiplier += NARROW, shift += NARROW, out += NARROW;
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = clamped(requantised(sums[i], multiplier[i], shift[i], zero), low, high);
}

#ifndef WW_CONV_LISTED

/* `width` neighbouring output channels of one group, from `first` on. Inputs that stand for zero
 * (half of them after a ReLU) are skipped. */
WW_INLINE void conv_columns(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                            uint32_t first, const uint32_t width, int8_t *out) {
    const uint32_t inputs = layer->in_channels / layer->groups;
    const uint32_t outputs = layer->out_channels / layer->groups, group = first / outputs;
    const int8_t *w = tables->weights + group * layer->taps * inputs * outputs + first % outputs;
    const int32_t zero = layer->zero_a;
    int32_t sum[WIDE];
    WW_UNROLL
    for (uint32_t i = 0; i < width; i++)
        sum[i] = tables->bias[first + i];
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++) {
        const int8_t *x = walk_next(&walk) + group * inputs;
        for (const int8_t *end = x + inputs; x < end; x++, w += outputs) {
            int32_t input = *x - zero;
            if (input == 0) continue;
            WW_UNROLL
            for (uint32_t i = 0; i < width; i++)
                sum[i] += input * w[i];
        }
    }
    int32_t sums[WIDE]; /* another array: the one above stays in registers */
    WW_UNROLL
    for (uint32_t i = 0; i < width; i++)
        sums[i] = sum[i];
    finish(layer, tables, first, width, sums, out);
}

void ww_kernel_conv(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    uint32_t outputs = layer->out_channels / layer->groups;
    for (uint32_t first = 0, width; first < layer->out_channels; first += width) {
        uint32_t left = outputs - first % outputs; /* in the group */
        width = left >= WIDE ? WIDE : left >= NARROW ? NARROW : 1;
        if (width == WIDE) {
            conv_columns(layer, tables, in, first, WIDE, out);
        } else if (width == NARROW) {
            conv_columns(layer, tables, in, first, NARROW, out);
        } else {
            conv_columns(layer, tables, in, first, 1, out);
        }
    }
}

#else /* for a chip with few registers, which would look for the zeros again and again */

#define LISTED_INPUTS 64
#define LISTED_OUTPUTS 64

/* An input that does not stand for zero, and its weights for all outputs of its group. */
typedef struct {
    int32_t input;
    const int8_t *weights;
} conv_entry;

/* The next inputs, and the sums of neighbouring outputs that they are part of. */
typedef struct {
    conv_entry entries[LISTED_INPUTS + 1]; /* then one with input 0 */
    uint32_t count;
    int32_t sums[LISTED_OUTPUTS];
    uint32_t outputs;
    bool words; /* every row of weights starts at a word */
} conv_list;

/* sum[0..4) += input * the four weights of a word: two instructions fewer than with loads of bytes
 * on a chip where those come without their sign. */
static inline void add_word(int32_t *sum, int32_t input, uint32_t word) {
    sum[0] += input * (int8_t)word;
    sum[1] += input * (int8_t)(word >> 8);
    sum[2] += input * (int8_t)(word >> 16);
    sum[3] += input * ((int32_t)word >> 24);
}

/* `width` sums from `first` on. */
WW_INLINE void add_columns(conv_list *list, uint32_t first, const uint32_t width,
                           const bool words) {
    int32_t sum[MEDIUM], *sums = list->sums + first;
    WW_UNROLL
    for (uint32_t i = 0; i < width; i++)
        sum[i] = sums[i];
    int32_t input;
    for (const conv_entry *e = list->entries; (input = e->input) != 0; e++) {
        const int8_t *w = e->weights + first;
        WW_UNROLL
        for (uint32_t i = 0; words && i < width; i += 4)
            add_word(sum + i, input, *(const uint32_t *)(const void *)(w + i));
        WW_UNROLL
        for (uint32_t i = 0; !words && i < width; i++)
            sum[i] += input * w[i];
    }
    WW_UNROLL
    for (uint32_t i = 0; i < width; i++)
        sums[i] = sum[i];
}

static void add_listed(conv_list *list) {
    uint32_t first = 0;
    list->entries[list->count].input = 0;
    for (; list->words && first + MEDIUM <= list->outputs; first += MEDIUM)
        add_columns(list, first, MEDIUM, true);
    for (; first + NARROW <= list->outputs; first += NARROW)
        add_columns(list, first, NARROW, false);
    for (; first < list->outputs; first++)
        add_columns(list, first, 1, false);
    list->count = 0;
}

/* list->outputs neighbouring output channels of one group, from `first` on. */
static void conv_listed(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                        uint32_t first, conv_list *list) {
    const uint32_t inputs = layer->in_channels / layer->groups;
    const uint32_t outputs = layer->out_channels / layer->groups, group = first / outputs;
    const int8_t *w = tables->weights + group * layer->taps * inputs * outputs + first % outputs;
    const int32_t zero = layer->zero_a;
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++) {
        const int8_t *x = walk_next(&walk) + group * inputs;
        for (const int8_t *end = x + inputs; x < end; x++, w += outputs) {
            if (*x == zero) continue;
            list->entries[list->count++] = (conv_entry){*x - zero, w};
            if (list->count == LISTED_INPUTS) add_listed(list);
        }
    }
    add_listed(list);
}

void ww_kernel_conv(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    const uint32_t outputs = layer->out_channels / layer->groups;
    conv_list list;
    list.count = 0;
    list.words = outputs % 4 == 0;
    for (uint32_t first = 0; first < layer->out_channels; first += list.outputs) {
        uint32_t left = outputs - first % outputs; /* in the group */
        list.outputs = left < LISTED_OUTPUTS ? left : LISTED_OUTPUTS;
        for (uint32_t i = 0; i < list.outputs; i++)
            list.sums[i] = tables->bias[first + i];
        conv_listed(layer, tables, in, first, &list);
        finish(layer, tables, first, list.outputs, list.sums, out);
    }
}

#endif

/* The first channels, MEDIUM at a time, of a layer with as many inputs as outputs; returns how
 * many. The rows are found once for all of them. */
static uint32_t depthwise_blocks(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                                 int8_t *out) {
    const uint32_t taps = layer->taps, channels = layer->out_channels;
    const int8_t *rows[MOST_ROWS];
    uint32_t first = 0;
    tap_walk walk = walk_from_oldest(layer, in);
    if (taps > MOST_ROWS || channels != layer->in_channels) return 0;
    for (uint32_t tap = 0; tap < taps; tap++)
        rows[tap] = walk_next(&walk);
    for (; first + MEDIUM <= channels; first += MEDIUM) {
        const int8_t *w = tables->weights + first;
        int32_t sum[MEDIUM], sums[MEDIUM];
        WW_UNROLL
        for (uint32_t i = 0; i < MEDIUM; i++)
            sum[i] = tables->bias[first + i];
        for (uint32_t tap = 0; tap < taps; tap++, w += channels) {
            const int8_t *x = rows[tap];
            rows[tap] += MEDIUM;
            WW_UNROLL
            for (uint32_t i = 0; i < MEDIUM; i++)
                sum[i] += x[i] * w[i];
        }
        WW_UNROLL
        for (uint32_t i = 0; i < MEDIUM; i++)
            sums[i] = sum[i];
        finish(layer, tables, first, MEDIUM, sums, out);
    }
    return first;
}

void ww_kernel_depthwise(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                         int8_t *out) {
    uint32_t per_input = layer->out_channels / layer->in_channels;
    for (uint32_t c = depthwise_blocks(layer, tables, in, out); c < layer->out_channels; c++) {
        const int8_t *w = tables->weights + c;
        int32_t sum = tables->bias[c];
        tap_walk walk = walk_from_oldest(layer, in);
        for (uint32_t tap = 0; tap < layer->taps; tap++, w += layer->out_channels)
            sum += walk_next(&walk)[c / per_input] * *w;
        finish(layer, tables, c, 1, &sum, out);
    }
}

/* Both inputs on a common scale of 2^-20 of twice the larger one, which is therefore the exact
 * half in b. (TFLite's reference ADD.) */
static inline int32_t sum_of(int32_t a, int32_t b, uint32_t multiplier_a, int right_a) {
    int32_t in_b = b * (1 << (WW_MODEL_ADD_SHIFT - 1));
    if (a == 0) return in_b; /* often, after a ReLU */
    int32_t in_a = ww_mul_rounded(a * (1 << WW_MODEL_ADD_SHIFT), multiplier_a);
    return shifted_right(in_a, right_a) + in_b;
}

void ww_kernel_add(const ww_layer *layer, const ww_tables *tables, const ww_ring *a,
                   const ww_ring *b, int8_t *out) {
    const int8_t *row_a = ww_ring_row(a, layer->lag_a), *row_b = ww_ring_row(b, layer->lag_b);
    const int8_t *end = row_a + layer->out_channels;
    const int32_t zero_a = layer->zero_a, zero_b = layer->zero_b, zero_out = layer->zero_out;
    const int32_t low = layer->out_min, high = layer->out_max;
    const uint32_t multiplier_a = tables->multiplier[0], multiplier = tables->multiplier[1];
    const int right_a = -tables->shift[0], right = -tables->shift[1];
    const bool rectified = low == zero_out; /* as in finish_rectified */
    for (; row_a < end; row_a++, row_b++, out++) {
        int32_t sum = sum_of(*row_a - zero_a, *row_b - zero_b, multiplier_a, right_a);
        if (rectified && sum <= 0) {
            *out = (int8_t)low;
        } else {
            int32_t value = shifted_right(ww_mul_rounded(sum, multiplier), right) + zero_out;
            *out = clamped(value, low, high);
        }
    }
}

static int32_t sum_over_taps(const ww_layer *layer, const ww_ring *in, uint32_t channel) {
    int32_t sum = 0;
    tap_walk walk = walk_from_oldest(layer, in);
    for (uint32_t tap = 0; tap < layer->taps; tap++)
        sum += walk_next(&walk)[channel];
    return sum;
}

void ww_kernel_average(const ww_layer *layer, const ww_ring *in, int8_t *out) {
    int32_t count = layer->taps;
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t sum = sum_over_taps(layer, in, c);
        int32_t value = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
        out[c] = clamped(value, layer->out_min, layer->out_max);
    }
}

void ww_kernel_mean(const ww_layer *layer, const ww_tables *tables, const ww_ring *in,
                    int8_t *out) {
    for (uint32_t c = 0; c < layer->out_channels; c++) {
        int32_t sum = sum_over_taps(layer, in, c) + tables->bias[0];
        int32_t value = ww_requantise(sum, tables->multiplier[0], tables->shift[0]);
        value = (int32_t)((uint32_t)value + (uint32_t)(int32_t)layer->zero_out);
        out[c] = clamped(value, layer->out_min, layer->out_max);
    }
}

void ww_kernel_lut(const ww_layer *layer, const ww_tables *tables, const ww_ring *in, int8_t *out) {
    const int8_t *row = ww_ring_row(in, 0);
    for (uint32_t first = 0; first < layer->groups; first++) {
        const int8_t *table = tables->weights + 256u * first + 128;
        for (uint32_t c = first; c < layer->out_channels; c += layer->groups)
            out[c] = table[row[c]];
    }
}
