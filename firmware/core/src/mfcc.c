/* MFCC and log-mel rows. */
#include "hot.h"

#include <string.h>

#include "product.h"
#include "rows.h"
#include "ww_tables.h"

#if WW_WITH_MFCC

/* One FFT bin: a complex value in the transform, its power afterwards. */
typedef union {
    struct {
        int32_t re, im;
    } z;
    uint64_t power;
} bin;

/* Power is kept as |X|^2 >> POWER_SHIFT so that a mel sum with Q16 weights fits 64 bits. */
#define POWER_SHIFT 12
/* A frame is scaled so that no windowed sample reaches 2^30: then no complex
 * value of the scaled FFT can exceed 2^30.5. */
#define FRAME_BITS 30
#define SILENT (-32) /* the shift of a frame without any signal */
/* Exponents between the fixed-point mel sum and squared LSB: Hann Q16 squared (32), less the
 * 1/512 scaling of the spectrum squared (18), POWER_SHIFT, plus the Q16 mel weight. */
#define MEL_EXPONENT (2 * WW_HANN_FRAC_BITS - 18 - POWER_SHIFT + WW_MEL_WEIGHT_FRAC_BITS)
#define FLOOR_FRAC_BITS 4

/* Left shift that brings the frame, windowed or not, to FRAME_BITS; SILENT for digital silence.
 * In x ^ (x << 1) the highest set bit is one above that of the magnitude of x; two samples share
 * a word, and what one shifts into the other only reaches bits that decide nothing. */
static int frame_shift(const uint32_t *pairs) {
    uint32_t any = 0; /* an OR has the same top bit as the largest value */
    for (int i = 0; i < WW_WINDOW_SAMPLES / 2; i += 4) {
        any |= pairs[i] ^ (pairs[i] << 1);
        any |= pairs[i + 1] ^ (pairs[i + 1] << 1);
        any |= pairs[i + 2] ^ (pairs[i + 2] << 1);
        any |= pairs[i + 3] ^ (pairs[i + 3] << 1);
    }
    uint32_t magnitude = ((any | any >> 16) & 0xffff) >> 1;
    return any ? ww_leading_zeros(magnitude | 1) - WW_HANN_FRAC_BITS - (32 - FRAME_BITS) : SILENT;
}

static inline bin quarter(bin v) {
    v.z.re >>= 2;
    v.z.im >>= 2;
    return v;
}

/* The radix-4 butterfly on values that are already quartered and rotated, to x[0], x[step].. */
static inline void butterfly(bin *x, int step, bin a, bin b, bin c, bin d) {
    int32_t acr = a.z.re + c.z.re, aci = a.z.im + c.z.im;
    int32_t asr = a.z.re - c.z.re, asi = a.z.im - c.z.im;
    int32_t bdr = b.z.re + d.z.re, bdi = b.z.im + d.z.im;
    int32_t bsr = b.z.re - d.z.re, bsi = b.z.im - d.z.im;
    x[0].z.re = acr + bdr;
    x[0].z.im = aci + bdi;
    x[step].z.re = asr + bsi;
    x[step].z.im = asi - bsr;
    x[2 * step].z.re = acr - bdr;
    x[2 * step].z.im = aci - bdi;
    x[3 * step].z.re = asr - bsi;
    x[3 * step].z.im = asi + bsr;
}

/* Two neighbouring samples under the window as one complex value, scaled and quartered; the Hann
 * table holds the rising half, `weights` points at its entry for the first sample, `step` is -1 in
 * the falling half. A sample moved up by `up` bits still fits a word. */
static inline bin windowed(const int16_t *samples, const int32_t *weights, int step, int up) {
    bin v;
    v.z.re = ww_mul_high_raised(samples[0], up, weights[0]);
    v.z.im = ww_mul_high_raised(samples[1], up, weights[step]);
    return v;
}

/* Even samples become real parts, odd ones imaginary parts, in base-4 digit-reversed order: that
 * is the order in which the FFT's first pass takes them, so it is done on the way. */
static void load_frame(const int16_t *window, int shift, bin *bins) {
    enum { QUARTER = WW_WINDOW_SAMPLES / 4 };
    int up = shift + (32 - WW_HANN_FRAC_BITS) + 1;
    for (int a = 0; a < 8; a += 2) {
        for (int b = a; b < 32; b += 8) {
            for (int i = b; i < QUARTER; i += 32, bins += 4) {
                const int16_t *x = window + i;
                const int32_t *rising = ww_hann + i, *falling = ww_hann + WW_WINDOW_SAMPLES / 2 - i;
                butterfly(bins, 1, windowed(x, rising, 1, up),
                          windowed(x + QUARTER, rising + QUARTER, 1, up),
                          windowed(x + 2 * QUARTER, falling, -1, up),
                          windowed(x + 3 * QUARTER, falling - QUARTER, -1, up));
            }
        }
    }
}

/* v * w / 4, with w from the Q30 table. */
static inline bin rotate(bin v, const bin w) {
    bin r;
    r.z.re = ww_mul_high(v.z.re, w.z.re) - ww_mul_high(v.z.im, w.z.im);
    r.z.im = ww_mul_high(v.z.re, w.z.im) + ww_mul_high(v.z.im, w.z.re);
    return r;
}

static inline bin twiddle(const int32_t *table) {
    bin w;
    w.z.re = table[0];
    w.z.im = table[1];
    return w;
}

/* One pass of butterflies over elements `step` apart. */
WW_INLINE void fft_pass(bin *x, const int step) {
    const int groups = WW_FFT_POINTS / (4 * step);
    bin *g = x;
    for (int i = 0; i < groups; i++, g += 4 * step) /* a factor of one */
        butterfly(g, step, quarter(g[0]), quarter(g[step]), quarter(g[2 * step]),
                  quarter(g[3 * step]));
    const int32_t *angle1 = ww_fft_twiddles, *angle2 = angle1, *angle3 = angle1;
    for (int j = 1; j < step; j++) {
        bin w1 = twiddle(angle1 += 2 * groups), w2 = twiddle(angle2 += 4 * groups),
            w3 = twiddle(angle3 += 6 * groups);
        g = x + j;
        for (int i = 0; i < groups; i++, g += 4 * step)
            butterfly(g, step, quarter(g[0]), rotate(g[step], w1), rotate(g[2 * step], w2),
                      rotate(g[3 * step], w3));
    }
}

/* In-place radix-4 decimation-in-time FFT of WW_FFT_POINTS, scaled by 1 / WW_FFT_POINTS, after the
 * first pass. (Oppenheim & Schafer, Discrete-Time Signal Processing, section 9.3.) */
static void fft(bin *x) {
    fft_pass(x, 4);
    fft_pass(x, 16);
    fft_pass(x, 64);
}

static inline uint64_t power_of(int32_t re, int32_t im) {
    return ww_squares(re, im) >> POWER_SHIFT;
}

/* Complex half-length spectrum -> power of the real spectrum's bins 1..N/2-1, in place.
 * The mel bands use neither DC nor Nyquist. */
static void real_power(bin *x) {
    for (int k = 1; k <= WW_FFT_POINTS / 2; k++) {
        bin p = x[k], q = x[WW_FFT_POINTS - k];
        int32_t even_re = (p.z.re >> 2) + (q.z.re >> 2), even_im = (p.z.im >> 2) - (q.z.im >> 2);
        int32_t odd_re = (p.z.re >> 1) - (q.z.re >> 1), odd_im = (p.z.im >> 1) + (q.z.im >> 1);
        const int32_t *w = ww_split_twiddles + 2 * k;
        int32_t t_re = ww_mul_high(odd_re, w[0]) - ww_mul_high(odd_im, w[1]);
        int32_t t_im = ww_mul_high(odd_re, w[1]) + ww_mul_high(odd_im, w[0]);
        x[k].power = power_of(even_re + t_im, even_im - t_re);
        x[WW_FFT_POINTS - k].power = power_of(even_re - t_im, even_im + t_re);
    }
}

/* log2(v) in Q8 (WW_LOGMEL_FRAC_BITS), rounded, for v > 0. */
static inline int32_t log2_of(uint64_t v) {
    enum { DROP = 16 - WW_LOGMEL_FRAC_BITS }; /* the table is Q16 */
    uint32_t high = (uint32_t)(v >> 32), low = (uint32_t)v;
    int top = 63;
    if (high == 0) high = low, low = 0, top = 31;
    int zeros = ww_leading_zeros(high);
    uint32_t mantissa = high << zeros | (low >> 1) >> (31 - zeros); /* [2^31, 2^32) */
    uint32_t fraction = (mantissa << 1) >> 16;                      /* below the leading one */
    uint32_t index = fraction >> (16 - WW_LOG2_TABLE_BITS);         /* segment of the table */
    uint32_t rest = fraction & ((1u << (16 - WW_LOG2_TABLE_BITS)) - 1);
    uint32_t below = ww_log2[index], step = ww_log2[index + 1] - below;
    uint32_t tail = below + ((step * rest) >> (16 - WW_LOG2_TABLE_BITS));
    return (top - zeros) * (1 << WW_LOGMEL_FRAC_BITS) +
           (int32_t)((tail + (1u << (DROP - 1))) >> DROP);
}

/* Sums of the power under each band's triangle. Every bin lies on the rising side of one band and
 * on the falling side of the band before: the weights of the two sides add up to one. */
static void mel_energies(const bin *bins, uint64_t *energies) {
    const uint16_t *weights = ww_mel_weights;
    const bin *x = bins + ww_mel_starts[0];
    uint64_t falling = 0;
    for (int band = 0; band <= WW_MEL_BANDS; band++) {
        uint64_t all = 0, rising = 0;
        for (const bin *end = bins + ww_mel_starts[band + 1]; x < end; x++) {
            all += x->power;
            rising += ww_mul_long(x->power, *weights++);
        }
        if (band > 0) energies[band - 1] = falling + (all << WW_MEL_WEIGHT_FRAC_BITS) - rising;
        falling = rising;
    }
}

/* log2(1 + energy / floor) of each band in Q8, never negative. */
static void log_mel(const uint64_t *energies, int shift, int32_t *logmel) {
    int exponent = MEL_EXPONENT + 2 * shift; /* energy = sum * 2^-exponent squared LSB */
    int raised = exponent - FLOOR_FRAC_BITS; /* 12..40 */
    int32_t offset = raised * (1 << WW_LOGMEL_FRAC_BITS);
    for (int band = 0; band < WW_MEL_BANDS; band++) {
        uint64_t floor = (uint64_t)ww_mel_floor[band] << raised;
        int32_t level = log2_of(energies[band] + floor) - ww_mel_floor_log2[band] - offset;
        logmel[band] = level > 0 ? level : 0;
    }
}

/* WW_DCT_ROWS rows at once: sums[r] = sum of in[m] * basis[m][r]. */
static void dct_rows(const int32_t *in, int count, const int16_t *basis, int32_t *sums) {
    int32_t sum[WW_DCT_ROWS] = {0};
    for (const int32_t *end = in + count; in < end; in++, basis += WW_DCT_ROWS) {
        int32_t x = *in;
        WW_UNROLL
        for (int r = 0; r < WW_DCT_ROWS; r++)
            sum[r] += x * basis[r];
    }
    WW_UNROLL
    for (int r = 0; r < WW_DCT_ROWS; r++)
        sums[r] = sum[r];
}

/* Orthonormal DCT-II of the log-mel. Even rows mirror around the middle and odd ones mirror with
 * the sign changed, so folding the input halves the work; an even row's half does so once more.
 * The table holds rows 0, 4, 8.. then 1, 5, 9.. and so on, each set interleaved. */
static void dct(const int32_t *logmel, uint16_t coeffs, int16_t *row) {
    enum { HALF = WW_MEL_BANDS / 2, QUARTER = WW_MEL_BANDS / 4 };
    enum { SHIFT = WW_LOGMEL_FRAC_BITS + WW_DCT_FRAC_BITS - WW_MFCC_FRAC_BITS };
    int32_t odd[HALF], even[2][QUARTER], sums[WW_DCT_ROWS];
    for (int m = 0, n = HALF - 1; m < QUARTER; m++, n--) {
        int32_t outer = logmel[m] + logmel[WW_MEL_BANDS - 1 - m];
        int32_t inner = logmel[n] + logmel[WW_MEL_BANDS - 1 - n];
        even[0][m] = outer + inner;
        even[1][m] = outer - inner;
        odd[m] = logmel[m] - logmel[WW_MEL_BANDS - 1 - m];
        odd[n] = logmel[n] - logmel[WW_MEL_BANDS - 1 - n];
    }
    const int16_t *basis = ww_dct;
    for (int first = 0; first < 4; first++) {
        int count = first % 2 ? HALF : QUARTER;
        dct_rows(first % 2 ? odd : even[first / 2], count, basis, sums);
        basis += count * WW_DCT_ROWS;
        for (int r = 0, k = first; k < coeffs; r++, k += 4)
            row[k] = (int16_t)((sums[r] + (1 << (SHIFT - 1))) >> SHIFT);
    }
}

/* The bands themselves, from Q8 to the rows' Q7; at most 32 log2 units. */
static void bands(const int32_t *logmel, int16_t *row) {
    enum { SHIFT = WW_LOGMEL_FRAC_BITS - WW_MFCC_FRAC_BITS };
    for (int band = 0; band < WW_MEL_BANDS; band++)
        row[band] = (int16_t)((logmel[band] + (1 << (SHIFT - 1))) >> SHIFT);
}

/* Of a frame that is not silent. Its arrays are gone before the DCT's come: the stack is deepest
 * here. */
static void log_mel_of(const ww_frontend *fe, int shift, int32_t *logmel) {
    bin bins[WW_FFT_POINTS];
    uint64_t energies[WW_MEL_BANDS];
    load_frame(fe->window.samples, shift, bins);
    fft(bins);
    real_power(bins);
    mel_energies(bins, energies);
    log_mel(energies, shift, logmel);
}

void ww_mfcc_row(const ww_frontend *fe, int16_t *row) {
    int32_t logmel[WW_MEL_BANDS];
    int shift = frame_shift(fe->window.pairs);
    if (shift == SILENT)
        memset(logmel, 0, sizeof logmel);
    else
        log_mel_of(fe, shift, logmel);
    if (fe->kind == WW_FEATURES_LOGMEL)
        bands(logmel, row);
    else
        dct(logmel, fe->coeffs, row);
}

#endif
