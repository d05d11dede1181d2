/* Rows of the micro front end as its definition reads: one stage after the other, each rounding
 * where it is defined, in 64 bits where the product shows that 32 are enough. The product's micro.c
 * must give the same integers; test_reference.py compares them. */
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "ww_tables.h"

enum { N = WW_MICRO_FFT_SAMPLES, POINTS = N / 2 };

typedef struct {
    int16_t re, im;
} point;

/* To Q15, halves up. Every value of the transform is kept in 16 bits. */
static int16_t q15(int64_t product) {
    return (int16_t)((product + (1 << 14)) >> 15);
}

static point divided(point v, int by) {
    int16_t share = (int16_t)(32767 / by);
    point r = {q15((int64_t)v.re * share), q15((int64_t)v.im * share)};
    return r;
}

static point times(point v, const int16_t *w) {
    point r = {q15((int64_t)v.re * w[0] - (int64_t)v.im * w[1]),
               q15((int64_t)v.re * w[1] + (int64_t)v.im * w[0])};
    return r;
}

static point plus(point a, point b) {
    point r = {(int16_t)(a.re + b.re), (int16_t)(a.im + b.im)};
    return r;
}

static point minus(point a, point b) {
    point r = {(int16_t)(a.re - b.re), (int16_t)(a.im - b.im)};
    return r;
}

/* Decimation in time, radix 4: four transforms of every fourth point, then one butterfly a bin. */
static void transform(const point *in, int stride, int count, point *out) {
    if (count == 1) {
        *out = *in;
        return;
    }
    int part = count / 4;
    for (int q = 0; q < 4; q++)
        transform(in + q * stride, 4 * stride, part, out + q * part);
    for (int k = 0; k < part; k++) {
        point t[4] = {divided(out[k], 4)};
        for (int q = 1; q < 4; q++)
            t[q] = times(divided(out[k + q * part], 4),
                         ww_micro_twiddles + 2 * q * k * (POINTS / count));
        point even = plus(t[0], t[2]), odd = minus(t[0], t[2]);
        point sum = plus(t[1], t[3]), difference = minus(t[1], t[3]);
        point turned = {difference.im, (int16_t)-difference.re}; /* times -i */
        out[k] = plus(even, sum);
        out[k + part] = plus(odd, turned);
        out[k + 2 * part] = minus(even, sum);
        out[k + 3 * part] = minus(odd, turned);
    }
}

/* From the spectrum of even samples + i * odd samples to that of all, bin k and POINTS - k. */
static uint32_t power(const point *x, int k) {
    int low = k <= POINTS - k && 2 * k != POINTS ? k : POINTS - k;
    point conjugate = {x[POINTS - low].re, (int16_t)-x[POINTS - low].im};
    point a = divided(x[low], 2), b = divided(conjugate, 2);
    point sum = plus(a, b), t = times(minus(a, b), ww_micro_split + 2 * (low - WW_MICRO_FIRST_BIN));
    bool upper = k >= POINTS - k;
    int64_t re = (upper ? sum.re - t.re : sum.re + t.re) >> 1;
    int64_t im = (upper ? t.im - sum.im : sum.im + t.im) >> 1;
    return (uint32_t)(re * re + im * im);
}

/* Window and scaling; returns the shift. */
static int load(const int16_t *samples, int16_t *frame) {
    int16_t largest = 0;
    memset(frame, 0, N * sizeof *frame);
    for (int i = 0; i < WW_MICRO_WINDOW_SAMPLES; i++) {
        frame[i] = (int16_t)(samples[i] * ww_micro_window[i] >> WW_MICRO_WINDOW_FRAC_BITS);
        int16_t size = frame[i] < 0 ? (int16_t)-frame[i] : frame[i]; /* of -32768: that again */
        if (size > largest) largest = size;
    }
    int shift = 15 - (32 - ww_leading_zeros((uint32_t)largest));
    for (int i = 0; i < N; i++)
        frame[i] = (int16_t)(uint16_t)((uint32_t)(uint16_t)frame[i] << shift);
    return shift;
}

static uint32_t root(uint64_t v) {
    uint64_t r = 0;
    for (uint64_t step = 1ull << 31; step; step >>= 1)
        if ((r + step) * (r + step) <= v) r += step;
    bool up = v - r * r > r && !(v >> 32 == 0 && r == 0xffff);
    return (uint32_t)(r + up);
}

static void signals(const point *x, int shift, uint32_t *signal) {
    uint64_t sums[WW_MICRO_CHANNELS + 2] = {0}; /* [c + 1]: of channel c */
    int k = WW_MICRO_FIRST_BIN;
    for (int segment = 0; segment <= WW_MICRO_CHANNELS; segment++) {
        for (; k < ww_micro_ends[segment]; k++) {
            uint64_t rises = ww_micro_weights[k - WW_MICRO_FIRST_BIN], p = power(x, k);
            sums[segment] += p * ((1u << WW_MICRO_WEIGHT_FRAC_BITS) - rises);
            sums[segment + 1] += p * rises;
        }
    }
    for (int c = 0; c < WW_MICRO_CHANNELS; c++)
        signal[c] = root(sums[c + 1]) >> shift;
}

static uint32_t noise_reduced(uint32_t signal, uint32_t *noise, bool odd) {
    const uint64_t one = 1ull << 32,
                   follow = (uint64_t)(odd ? WW_MICRO_ODD_Q32 : WW_MICRO_EVEN_Q32);
    uint64_t raised = (uint64_t)signal << WW_MICRO_NOISE_FRAC_BITS;
    *noise = (uint32_t)((raised * (follow >> 18) + *noise * ((one - follow) >> 18)) >> 14);
    uint64_t taken = *noise < raised ? *noise : raised;
    uint64_t least = signal * (uint64_t)WW_MICRO_SIGNAL_LEFT_Q32 >> 32;
    uint64_t left = (raised - taken) >> WW_MICRO_NOISE_FRAC_BITS;
    return (uint32_t)(left > least ? left : least);
}

static uint64_t gain_for(uint32_t noise) {
    int top = 31 - ww_leading_zeros(noise | 1);
    const int16_t *p = ww_micro_gain + 3 * top;
    int32_t place = (int32_t)(((uint64_t)noise << 10 >> top) & 0x3ff);
    int32_t value = ((p[2] * place) >> 5) + p[1] * 32;
    return (uint64_t)(p[0] + ((value * place + (1 << 14)) >> 15));
}

static uint64_t normalised(uint32_t signal, uint32_t noise) {
    uint64_t ratio = signal * gain_for(noise) >> WW_MICRO_RATIO_SHIFT;
    if (ratio < 2ull << WW_MICRO_RATIO_FRAC_BITS)
        return ratio * ratio >> (2 + 2 * WW_MICRO_RATIO_FRAC_BITS - WW_MICRO_OUT_FRAC_BITS);
    return (ratio >> (WW_MICRO_RATIO_FRAC_BITS - WW_MICRO_OUT_FRAC_BITS)) -
           (1 << WW_MICRO_OUT_FRAC_BITS);
}

static int16_t logarithm(uint64_t v) {
    if (v <= 1) return 0;
    int top = 31 - ww_leading_zeros((uint32_t)v);
    int32_t fraction = (int32_t)((v << 16 >> top) & 0xffff), segment = fraction >> 9;
    int32_t difference = ww_micro_log2[segment + 1] - ww_micro_log2[segment];
    int32_t bow = ww_micro_log2[segment] + (difference * (fraction - (segment << 9)) >> 16);
    int64_t log2_q16 = ((int64_t)top << 16) + fraction + bow;
    int64_t ln_q16 = (log2_q16 * WW_MICRO_LN2_Q16 + (1 << 15)) >> 16;
    return (int16_t)(((ln_q16 << WW_MICRO_LOG_BITS) + (1 << 15)) >> 16);
}

void ww_micro_row(ww_frontend *fe, int16_t *row) {
    union {
        int16_t samples[N];
        point points[POINTS];
    } frame;
    point spectrum[POINTS];
    uint32_t signal[WW_MICRO_CHANNELS];
    int shift = load(fe->window.micro.samples, frame.samples);
    transform(frame.points, 1, POINTS, spectrum);
    signals(spectrum, shift, signal);
    for (int c = 0; c < WW_MICRO_CHANNELS; c++) {
        uint32_t *noise = fe->window.micro.noise + c;
        uint32_t left = noise_reduced(signal[c], noise, c % 2);
        row[c] = logarithm(normalised(left, *noise) << WW_MICRO_LOG_RAISE);
    }
}
