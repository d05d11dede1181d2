/* Rows of TensorFlow's micro frontend with microWakeWord's settings, to the same bit: every
 * rounding here is one of its definition, and what differs is shown to give the same integer. The
 * bounds say why 32 bits are enough. tests/c/reference_micro.c is the definition, stage by stage.
 */
#include "hot.h"

#include <string.h>

#include "product.h"
#include "rows.h"
#include "ww_tables.h"

#if WW_WITH_MICRO

/* A value of the definition's has 16 bits; in words of 32 there is nothing to pack. */
typedef struct {
    int32_t re, im;
} complex32;

/* One FFT bin: a complex value in the transform, its power afterwards. */
typedef union {
    complex32 z;
    uint32_t power;
} bin;

enum { POINTS = WW_MICRO_FFT_SAMPLES / 2, LOWEST = -32768 };
enum { HALF = 1 << 14 }; /* Q15 */

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
    to->z.re = re;
    to->z.im = im;
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
                bins[3].z.re = bins[3].z.im = 0;
                if (i < LAST) put_pair(bins + 3, x + 3 * QUARTER, w + 3 * QUARTER, &e);
            }
        }
    }
    int32_t largest = e.most > -e.least ? e.most : -e.least;
    if (WW_RARE(e.least == LOWEST)) largest = without_lowest(bins - POINTS);
    return largest ? ww_leading_zeros((uint32_t)largest) - 17 : -1;
}

/* The definition's round(v / 4) and round(v / 2) are products with these, in Q15. Compilers know
 * shifts for them, which take longer than a product. */
static inline int32_t share_of(int by) {
    int32_t share = 32767 / by;
    WW_OPAQUE(share);
    return share;
}

static inline complex32 scaled(complex32 v, int32_t factor) {
    complex32 r = {(v.re * factor + HALF) >> 15, (v.im * factor + HALF) >> 15};
    return r;
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
    x[0].z.re = acr + bdr;
    x[0].z.im = aci + bdi;
    x[step].z.re = asr + bsi;
    x[step].z.im = asi - bsr;
    x[2 * step].z.re = acr - bdr;
    x[2 * step].z.im = aci - bdi;
    x[3 * step].z.re = asr - bsi;
    x[3 * step].z.im = asi + bsr;
}

/* Of each group the butterfly that rotates by nothing: a factor of one is 32767 in Q15, which
 * leaves what is quartered as it is. */
WW_INLINE void plain_butterflies(bin *x, const int step, int32_t factor) {
    for (bin *end = x + POINTS; x < end; x += 4 * step)
        butterfly(x, step, scaled(x[0].z, factor), scaled(x[step].z, factor),
                  scaled(x[2 * step].z, factor), scaled(x[3 * step].z, factor));
}

/* One pass of butterflies over elements `step` apart. */
WW_INLINE void fft_pass(bin *x, const int step, int32_t quarter) {
    const int groups = POINTS / (4 * step);
    const int16_t *w1 = ww_micro_twiddles, *w2 = w1, *w3 = w1;
    plain_butterflies(x, step, quarter);
    for (int j = 1; j < step; j++) {
        w1 += 2 * groups, w2 += 4 * groups, w3 += 6 * groups;
        for (bin *g = x + j, *end = g + POINTS; g < end; g += 4 * step)
            butterfly(g, step, scaled(g[0].z, quarter), rotate(scaled(g[step].z, quarter), w1),
                      rotate(scaled(g[2 * step].z, quarter), w2),
                      rotate(scaled(g[3 * step].z, quarter), w3));
    }
}

static void fft(bin *x, int shift) {
    int32_t quarter = share_of(4);
    plain_butterflies(x, 1, quarter << shift); /* takes the frame's scaling in */
    fft_pass(x, 4, quarter);
    fft_pass(x, 16, quarter);
    fft_pass(x, 64, quarter);
}

static inline uint32_t power_of(int32_t re, int32_t im) {
    return (uint32_t)(re * re + im * im);
}

/* Complex half-length spectrum -> power of the real spectrum's bins, in place. All bins together
 * have less than 2^28: the mean square of a full-scale frame under the window, halved. */
static void real_power(bin *x) {
    const int32_t half = share_of(2);
    for (int k = WW_MICRO_FIRST_BIN; k <= POINTS / 2; k++) {
        complex32 conjugate = {x[POINTS - k].z.re, -x[POINTS - k].z.im};
        complex32 a = scaled(x[k].z, half), b = scaled(conjugate, half);
        complex32 sum = {a.re + b.re, a.im + b.im}, difference = {a.re - b.re, a.im - b.im};
        complex32 t = rotate(difference, ww_micro_split + 2 * (k - WW_MICRO_FIRST_BIN));
        x[k].power = power_of((sum.re + t.re) >> 1, (sum.im + t.im) >> 1);
        x[POINTS - k].power = power_of((sum.re - t.re) >> 1, (t.im - sum.im) >> 1);
    }
}

/* floor(sqrt(v)) of v >= 2^30: a step of Newton's from a table's 8 bits is never too low and at
 * most 1 too high. */
static inline uint32_t floor_root(uint32_t v) {
    uint32_t guess = ww_micro_roots[(v >> 24) - 64];
    uint32_t r = (guess << 7) + (v / guess >> 9);
    if (r > 0xffff) r = 0xffff;
    return r - (r * r > v);
}

/* round(sqrt(v)) of v < 2^40, but for v from 0xffff0000 to 2^32, which gives 0xffff. More than 32
 * bits: the root of the upper ones, then the rest by one division (Zimmermann, Karatsuba Square
 * Root, 1999). */
static inline uint32_t root(uint64_t v) {
    uint32_t upper = (uint32_t)(v >> 32), lower = (uint32_t)v;
    if (upper == 0) {
        if (lower == 0) return 0;
        int zeros = ww_leading_zeros(lower) & ~1;
        uint32_t r = floor_root(lower << zeros) >> (zeros / 2);
        return r + (lower - r * r > r && r != 0xffff);
    }
    int bits = (33 - ww_leading_zeros(upper)) / 2; /* of the root's that the upper word adds */
    uint32_t top = upper << (32 - 2 * bits) | lower >> 2 * bits, r = floor_root(top);
    uint32_t mask = (1u << bits) - 1, rest = (top - r * r) << bits | (lower >> bits & mask);
    uint32_t more = rest / (2 * r);
    r = (r << bits) + more;
    rest = lower - r * r; /* modulo 2^32, as both are near */
    if ((int32_t)rest < 0) r--, rest += 2 * r + 1;
    return r + (rest > r);
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

/* From the signal of each channel to the row. */
static void levels(const uint32_t *signal, uint32_t *noise, int16_t *row) {
    for (int c = 0; c < WW_MICRO_CHANNELS; c++) {
        uint32_t left =
            denoised(signal[c], noise + c, c % 2 ? WW_MICRO_ODD_Q32 : WW_MICRO_EVEN_Q32);
        uint32_t level = left ? normalised(left, noise[c]) << WW_MICRO_LOG_RAISE : 0;
        row[c] = level > 1 ? logarithm(level) : 0;
    }
}

void ww_micro_row(ww_frontend *fe, int16_t *row) {
    bin bins[POINTS];
    uint32_t signal[WW_MICRO_CHANNELS];
    int shift = load_frame(fe->window.micro.samples, bins);
    if (shift < 0) {
        memset(signal, 0, sizeof signal);
    } else {
        fft(bins, shift);
        real_power(bins);
        channels(bins, shift, signal);
    }
    levels(signal, fe->window.micro.noise, row);
}

#endif
