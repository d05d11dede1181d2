/* Rows of TensorFlow's micro frontend with microWakeWord's settings, to the same bit: every
 * rounding here is one of its definition, and what differs is shown to give the same integer. The
 * bounds say why 32 bits are enough. tests/c/reference_micro.c is the definition, stage by stage.
 */
#include <string.h>

#include "product.h"
#include "rows.h"
#include "ww_tables.h"

#if WW_WITH_MICRO

/* One FFT bin: a complex value in the transform, its power afterwards. */
typedef union {
    struct {
        int16_t re, im;
    } z;
    uint32_t power;
} bin;

typedef struct {
    int32_t re, im;
} complex32;

enum { POINTS = WW_MICRO_FFT_SAMPLES / 2, LOWEST = -32768 };
enum { HALF = 1 << 14, QUARTER_Q15 = 32767 / 4 }; /* Q15 */

/* The largest magnitude under the window but for LOWEST, whose magnitude does not fit 16 bits: the
 * definition passes over it, and the shift that follows clears it. */
static int32_t without_lowest(bin *bins) {
    int32_t largest = 0;
    for (const bin *x = bins; x < bins + POINTS; x++) {
        const int32_t values[2] = {x->z.re, x->z.im};
        for (int i = 0; i < 2; i++) {
            int32_t size = values[i] < 0 ? -values[i] : values[i];
            if (values[i] != LOWEST && size > largest) largest = size;
        }
    }
    if (largest >> 14) return largest; /* no shift */
    for (bin *x = bins; x < bins + POINTS; x++) {
        if (x->z.re == LOWEST) x->z.re = 0;
        if (x->z.im == LOWEST) x->z.im = 0;
    }
    return largest;
}

static inline int32_t windowed(const int16_t *sample, const int16_t *weight) {
    return *sample * *weight >> WW_MICRO_WINDOW_FRAC_BITS;
}

typedef struct {
    int32_t most, least;
} extent;

/* Two neighbouring samples under the window as one complex value. */
static inline void put_pair(bin *to, const int16_t *x, const int16_t *w, extent *e) {
    int32_t re = windowed(x, w), im = windowed(x + 1, w + 1);
    if (re > e->most) e->most = re;
    if (re < e->least) e->least = re;
    if (im > e->most) e->most = im;
    if (im < e->least) e->least = im;
    to->z.re = (int16_t)re;
    to->z.im = (int16_t)im;
}

/* The window as complex values in base-4 digit-reversed order, zeros behind it. Returns the left
 * shift that makes the most of 16 bits, or -1 where all is zero. */
static int load_frame(const int16_t *samples, bin *bins) {
    enum { QUARTER = WW_MICRO_FFT_SAMPLES / 4, LAST = WW_MICRO_WINDOW_SAMPLES - 3 * QUARTER };
    extent e = {0, 0};
    for (int a = 0; a < 8; a += 2) {
        for (int b = a; b < 32; b += 8) {
            for (int i = b; i < QUARTER; i += 32, bins += 4) {
                const int16_t *x = samples + i, *w = ww_micro_window + i;
                put_pair(bins, x, w, &e);
                put_pair(bins + 1, x + QUARTER, w + QUARTER, &e);
                put_pair(bins + 2, x + 2 * QUARTER, w + 2 * QUARTER, &e);
                bins[3].power = 0;
                if (i < LAST) put_pair(bins + 3, x + 3 * QUARTER, w + 3 * QUARTER, &e);
            }
        }
    }
    int32_t largest = e.most > -e.least ? e.most : -e.least;
    if (WW_RARE(e.least == LOWEST)) largest = without_lowest(bins - POINTS);
    return largest ? ww_leading_zeros((uint32_t)largest) - 17 : -1;
}

/* round(v / 4) and round(v / 2) as the definition has them: with 8191 and 16383 in Q15. */
static inline int32_t quartered(int32_t v) {
    return (v * QUARTER_Q15 + HALF) >> 15;
}

static inline int32_t halved(int32_t v) {
    return (v * (32767 / 2) + HALF) >> 15;
}

static inline complex32 quarter(const bin *x) {
    complex32 v = {quartered(x->z.re), quartered(x->z.im)};
    return v;
}

static inline complex32 rotate(complex32 v, const int16_t *w) {
    int32_t re = w[0], im = w[1];
    complex32 r = {(v.re * re - v.im * im + HALF) >> 15, (v.re * im + v.im * re + HALF) >> 15};
    return r;
}

/* The radix-4 butterfly on values that are already quartered and rotated, to x[0], x[step].. No
 * sum leaves 16 bits: a DFT of any part of a frame stays below sqrt(2) * 2^15 times the mean of the
 * window over that part, which is below 0.51 (tests/host/test_micro.py). */
static inline void butterfly(bin *x, int step, complex32 a, complex32 b, complex32 c, complex32 d) {
    int32_t acr = a.re + c.re, aci = a.im + c.im, asr = a.re - c.re, asi = a.im - c.im;
    int32_t bdr = b.re + d.re, bdi = b.im + d.im, bsr = b.re - d.re, bsi = b.im - d.im;
    x[0].z.re = (int16_t)(acr + bdr);
    x[0].z.im = (int16_t)(aci + bdi);
    x[step].z.re = (int16_t)(asr + bsi);
    x[step].z.im = (int16_t)(asi - bsr);
    x[2 * step].z.re = (int16_t)(acr - bdr);
    x[2 * step].z.im = (int16_t)(aci - bdi);
    x[3 * step].z.re = (int16_t)(asr - bsi);
    x[3 * step].z.im = (int16_t)(asi + bsr);
}

/* The first pass takes the frame's scaling in: round(v * 2^shift / 4). */
static inline complex32 scaled(const bin *x, int32_t factor) {
    complex32 v = {(x->z.re * factor + HALF) >> 15, (x->z.im * factor + HALF) >> 15};
    return v;
}

/* A factor of one rotates by 32767 in Q15, which leaves what is quartered as it is. */
static void first_pass(bin *x, int shift) {
    int32_t factor = QUARTER_Q15 << shift;
    for (bin *end = x + POINTS; x < end; x += 4)
        butterfly(x, 1, scaled(x, factor), scaled(x + 1, factor), scaled(x + 2, factor),
                  scaled(x + 3, factor));
}

/* One pass of butterflies over elements `step` apart. */
WW_INLINE void fft_pass(bin *x, const int step) {
    const int groups = POINTS / (4 * step);
    bin *g = x;
    for (int i = 0; i < groups; i++, g += 4 * step)
        butterfly(g, step, quarter(g), quarter(g + step), quarter(g + 2 * step),
                  quarter(g + 3 * step));
    const int16_t *w1 = ww_micro_twiddles, *w2 = w1, *w3 = w1;
    for (int j = 1; j < step; j++) {
        w1 += 2 * groups, w2 += 4 * groups, w3 += 6 * groups;
        g = x + j;
        for (int i = 0; i < groups; i++, g += 4 * step)
            butterfly(g, step, quarter(g), rotate(quarter(g + step), w1),
                      rotate(quarter(g + 2 * step), w2), rotate(quarter(g + 3 * step), w3));
    }
}

static void fft(bin *x, int shift) {
    first_pass(x, shift);
    fft_pass(x, 4);
    fft_pass(x, 16);
    fft_pass(x, 64);
}

static inline uint32_t power_of(int32_t re, int32_t im) {
    return (uint32_t)(re * re + im * im);
}

/* Complex half-length spectrum -> power of the real spectrum's bins, in place. All bins together
 * have less than 2^28: the mean square of a full-scale frame under the window, halved. */
static void real_power(bin *x) {
    for (int k = WW_MICRO_FIRST_BIN; k <= POINTS / 2; k++) {
        const bin *p = x + k, *q = x + POINTS - k;
        complex32 a = {halved(p->z.re), halved(p->z.im)}, b = {halved(q->z.re), halved(-q->z.im)};
        complex32 sum = {a.re + b.re, a.im + b.im}, difference = {a.re - b.re, a.im - b.im};
        complex32 t = rotate(difference, ww_micro_split + 2 * (k - WW_MICRO_FIRST_BIN));
        x[k].power = power_of((sum.re + t.re) >> 1, (sum.im + t.im) >> 1);
        x[POINTS - k].power = power_of((sum.re - t.re) >> 1, (t.im - sum.im) >> 1);
    }
}

/* round(sqrt(v)) of v < 2^40, but for v from 0xffff0000 to 2^32, which gives 0xffff. */
static uint32_t root(uint64_t v) {
    uint64_t rest = v, bit = 1ull << 38, r = 0;
    for (; bit; bit >>= 2) {
        if (rest >= r + bit) {
            rest -= r + bit;
            r = (r >> 1) + bit;
        } else {
            r >>= 1;
        }
    }
    return (uint32_t)r + (rest > r && !(r == 0xffff && v >> 32 == 0));
}

/* The square root of the power under each triangle. Every bin lies on the rising side of one band
 * and on the falling side of the band before: the weights of the two sides add up to one. The
 * products are summed in two parts, of the upper and the lower bits of the power. */
static void channels(const bin *bins, int shift, uint32_t *signal) {
    enum { BITS = WW_MICRO_WEIGHT_FRAC_BITS, LOWER = (1 << BITS) - 1 };
    const uint16_t *weights = ww_micro_weights;
    const bin *x = bins + WW_MICRO_FIRST_BIN;
    uint64_t last_rising = 0;
    for (int band = 0; band <= WW_MICRO_CHANNELS; band++) {
        uint32_t all = 0, upper = 0, lower = 0;
        for (const bin *end = bins + ww_micro_ends[band]; x < end; x++) {
            uint32_t power = x->power, weight = *weights++;
            all += power;
            upper += (power >> BITS) * weight;
            lower += (power & LOWER) * weight;
        }
        uint64_t rising = ((uint64_t)upper << BITS) + lower;
        uint64_t falling = ((uint64_t)all << BITS) - rising;
        if (band > 0) signal[band - 1] = root(last_rising + falling) >> shift;
        last_rising = rising;
    }
}

/* What stands out from the estimate of the noise, which follows the signal slowly: x * a + y * (1 -
 * a) is y + (x - y) * a. A signal is below 2^20. */
static inline uint32_t denoised(uint32_t signal, uint32_t *noise, int32_t follow_q32) {
    enum { BITS = WW_MICRO_NOISE_FRAC_BITS };
    int32_t raised = (int32_t)(signal << BITS), estimate = (int32_t)*noise;
    estimate += ww_mul_high(raised - estimate, follow_q32);
    *noise = (uint32_t)estimate;
    int32_t left = estimate < raised ? (raised - estimate) >> BITS : 0;
    int32_t least = ww_mul_high((int32_t)signal, WW_MICRO_SIGNAL_LEFT_Q32);
    return (uint32_t)(left > least ? left : least);
}

/* Gain for a noise of at least 1: in each octave a parabola through three points. */
static inline int32_t gain_for(uint32_t noise) {
    int zeros = ww_leading_zeros(noise);
    const int16_t *parabola = ww_micro_gain + 3 * (31 - zeros);
    int32_t place = (noise << zeros >> 21) & 0x3ff;
    int32_t rise = (parabola[2] * place >> 5) + parabola[1] * 32;
    return parabola[0] + ((rise * place + HALF) >> 15);
}

/* Per-channel amplitude normalisation: small ratios of signal to noise count as their square. */
static inline uint32_t normalised(uint32_t signal, uint32_t noise) {
    enum { RATIO = WW_MICRO_RATIO_FRAC_BITS, OUT = WW_MICRO_OUT_FRAC_BITS };
    enum { UP = 16 - WW_MICRO_RATIO_SHIFT }; /* so that the high word of the product is the ratio */
    uint32_t ratio = (uint32_t)ww_mul_high((int32_t)(signal << UP), gain_for(noise) * (1 << 16));
    if (ratio < 2u << RATIO) return ratio * ratio >> (2 + 2 * RATIO - OUT);
    return (ratio >> (RATIO - OUT)) - (1 << OUT);
}

/* 2^WW_MICRO_LOG_BITS * ln(v) for 1 < v < 2^27, by a table of log2 less its chord. */
static inline int16_t logarithm(uint32_t v) {
    enum { SEGMENT_BITS = 16 - WW_MICRO_LOG_TABLE_BITS };
    int zeros = ww_leading_zeros(v);
    int32_t fraction = (int32_t)((v << zeros << 1) >> 16);
    const uint16_t *segment = ww_micro_log2 + (fraction >> SEGMENT_BITS);
    int32_t rest = fraction & ((1 << SEGMENT_BITS) - 1);
    int32_t bow = segment[0] + ((segment[1] - segment[0]) * rest >> 16);
    int32_t log2_q16 = (31 - zeros) * (1 << 16) + fraction + bow;
    int32_t ln_q16 = ww_mul_rounded(log2_q16, (uint32_t)WW_MICRO_LN2_Q16 << 16);
    return (int16_t)((ln_q16 * (1 << WW_MICRO_LOG_BITS) + (1 << 15)) >> 16);
}

void ww_micro_row(ww_frontend *fe, int16_t *row) {
    bin bins[POINTS];
    uint32_t signal[WW_MICRO_CHANNELS];
    uint32_t *noise = fe->window.micro.noise;
    int shift = load_frame(fe->window.micro.samples, bins);
    if (shift < 0) {
        memset(signal, 0, sizeof signal);
    } else {
        fft(bins, shift);
        real_power(bins);
        channels(bins, shift, signal);
    }
    for (int c = 0; c < WW_MICRO_CHANNELS; c++) {
        uint32_t left =
            denoised(signal[c], noise + c, c % 2 ? WW_MICRO_ODD_Q32 : WW_MICRO_EVEN_Q32);
        uint32_t level = left ? normalised(left, noise[c]) << WW_MICRO_LOG_RAISE : 0;
        row[c] = level > 1 ? logarithm(level) : 0;
    }
}

#endif
