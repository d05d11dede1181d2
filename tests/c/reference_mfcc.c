/* MFCC and log-mel rows as their definition reads: one stage after the other, no tricks. The
 * product's mfcc.c must give the same integers; test_reference.py compares them. */
#include <string.h>

#include "rows.h"
#include "ww_tables.h"

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

static int32_t mul_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* Left shift that brings the frame, windowed or not, to FRAME_BITS; SILENT for digital silence. */
static int frame_shift(const int16_t *window) {
    uint32_t magnitude = 1, any = 0; /* an OR has the same top bit as the largest value */
    for (int i = 0; i < WW_WINDOW_SAMPLES; i++) {
        magnitude |= (uint32_t)(window[i] ^ (window[i] >> 15));
        any |= (uint16_t)window[i];
    }
    return any ? ww_leading_zeros(magnitude) - WW_HANN_FRAC_BITS - (32 - FRAME_BITS) : SILENT;
}

/* The table holds Q16 values in Q29 words. */
static int32_t hann(int i) {
    return ww_hann[i] >> (29 - WW_HANN_FRAC_BITS);
}

static int32_t scaled(int32_t v, int shift) {
    return shift >= 0 ? (int32_t)((uint32_t)v << shift) : v >> -shift;
}

/* Even samples become real parts, odd ones imaginary parts, in base-4 digit-reversed order. */
static void load_frame(const int16_t *window, int shift, bin *bins) {
    for (int i = 0; i < WW_FFT_POINTS; i++) {
        int n = 2 * ((i & 3) << 6 | (i & 12) << 2 | (i & 48) >> 2 | (i & 192) >> 6);
        int re = n <= WW_WINDOW_SAMPLES / 2 ? n : WW_WINDOW_SAMPLES - n;
        int im = n + 1 <= WW_WINDOW_SAMPLES / 2 ? n + 1 : WW_WINDOW_SAMPLES - n - 1;
        bins[i].z.re = scaled(window[n] * hann(re), shift);
        bins[i].z.im = scaled(window[n + 1] * hann(im), shift);
    }
}

/* v * w / 4, with w from the Q30 table. */
static bin rotate(bin v, const int32_t *w) {
    bin r;
    r.z.re = mul_high(v.z.re, w[0]) - mul_high(v.z.im, w[1]);
    r.z.im = mul_high(v.z.re, w[1]) + mul_high(v.z.im, w[0]);
    return r;
}

static void butterfly(bin *x, int step, bin b, bin c, bin d) {
    bin a;
    a.z.re = x[0].z.re >> 2;
    a.z.im = x[0].z.im >> 2;
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

static bin quarter(bin v) {
    v.z.re >>= 2;
    v.z.im >>= 2;
    return v;
}

/* In-place radix-4 decimation-in-time FFT of WW_FFT_POINTS, scaled by 1 / WW_FFT_POINTS.
 * (Oppenheim & Schafer, Discrete-Time Signal Processing, section 9.3.) */
static void fft(bin *x) {
    for (int g = 0; g < WW_FFT_POINTS; g += 4)
        butterfly(x + g, 1, quarter(x[g + 1]), quarter(x[g + 2]), quarter(x[g + 3]));
    for (int step = 4; step < WW_FFT_POINTS; step *= 4) {
        int stride = WW_FFT_POINTS / (4 * step); /* of the twiddle table */
        for (int j = 0; j < step; j++) {
            const int32_t *w1 = ww_fft_twiddles + 2 * j * stride;
            const int32_t *w2 = ww_fft_twiddles + 4 * j * stride;
            const int32_t *w3 = ww_fft_twiddles + 6 * j * stride;
            for (int g = j; g < WW_FFT_POINTS; g += 4 * step)
                butterfly(x + g, step, rotate(x[g + step], w1), rotate(x[g + 2 * step], w2),
                          rotate(x[g + 3 * step], w3));
        }
    }
}

static uint64_t power_of(int32_t re, int32_t im) {
    return (uint64_t)((int64_t)re * re + (int64_t)im * im) >> POWER_SHIFT;
}

/* Complex half-length spectrum -> power of the real spectrum's bins 1..N/2-1, in place.
 * The mel bands use neither DC nor Nyquist. */
static void real_power(bin *x) {
    for (int k = 1; k <= WW_FFT_POINTS / 2; k++) {
        bin p = x[k], q = x[WW_FFT_POINTS - k];
        int32_t even_re = (p.z.re >> 2) + (q.z.re >> 2), even_im = (p.z.im >> 2) - (q.z.im >> 2);
        int32_t odd_re = (p.z.re >> 1) - (q.z.re >> 1), odd_im = (p.z.im >> 1) + (q.z.im >> 1);
        const int32_t *w = ww_split_twiddles + 2 * k;
        int32_t t_re = mul_high(odd_re, w[0]) - mul_high(odd_im, w[1]);
        int32_t t_im = mul_high(odd_re, w[1]) + mul_high(odd_im, w[0]);
        x[k].power = power_of(even_re + t_im, even_im - t_re);
        x[WW_FFT_POINTS - k].power = power_of(even_re - t_im, even_im + t_re);
    }
}

/* log2(v) in Q8 (WW_LOGMEL_FRAC_BITS), rounded, for v > 0. */
static int32_t log2_of(uint64_t v) {
    enum { DROP = 16 - WW_LOGMEL_FRAC_BITS }; /* the table is Q16 */
    uint32_t high = (uint32_t)(v >> 32);
    int zeros = high ? ww_leading_zeros(high) : 32 + ww_leading_zeros((uint32_t)v);
    uint32_t mantissa = (uint32_t)((v << zeros) >> 32);     /* [2^31, 2^32) */
    uint32_t fraction = (mantissa << 1) >> 16;              /* 16 bits below the leading one */
    uint32_t index = fraction >> (16 - WW_LOG2_TABLE_BITS); /* segment of the table */
    uint32_t rest = fraction & ((1u << (16 - WW_LOG2_TABLE_BITS)) - 1);
    uint32_t low = ww_log2[index], step = ww_log2[index + 1] - low;
    uint32_t tail = low + ((step * rest) >> (16 - WW_LOG2_TABLE_BITS));
    return (63 - zeros) * (1 << WW_LOGMEL_FRAC_BITS) +
           (int32_t)((tail + (1u << (DROP - 1))) >> DROP);
}

/* log2(1 + energy / floor) of each band in Q8, never negative. */
static void log_mel(const bin *bins, int shift, int32_t *logmel) {
    int exponent = MEL_EXPONENT + 2 * shift; /* energy = sum * 2^-exponent squared LSB */
    const uint16_t *weights = ww_mel_weights;
    uint64_t falling = 0; /* of the band whose centre starts this segment */
    for (int band = 0; band <= WW_MEL_BANDS; band++) {
        uint64_t all = 0, rising = 0;
        for (int k = ww_mel_starts[band]; k < ww_mel_starts[band + 1]; k++) {
            all += bins[k].power;
            rising += bins[k].power * *weights++;
        }
        if (band > 0) {
            uint64_t energy = falling + (all << WW_MEL_WEIGHT_FRAC_BITS) - rising;
            uint64_t floor = (uint64_t)ww_mel_floor[band - 1] << (exponent - FLOOR_FRAC_BITS);
            int32_t level = log2_of(energy + floor) - ww_mel_floor_log2[band - 1] -
                            (exponent - FLOOR_FRAC_BITS) * (1 << WW_LOGMEL_FRAC_BITS);
            logmel[band - 1] = level > 0 ? level : 0;
        }
        falling = rising;
    }
}

/* Element m of row k of the DCT: see dct_table in tools/generate/core.py for the table's order. */
static int32_t dct_element(int k, int m) {
    enum { HALF = WW_MEL_BANDS / 2, QUARTER = WW_MEL_BANDS / 4 };
    static const int starts[] = {0, QUARTER, QUARTER + HALF, 2 * QUARTER + HALF};
    int sign = 1;
    if (m >= HALF) m = WW_MEL_BANDS - 1 - m, sign = k % 2 ? -1 : 1;
    if (k % 2 == 0 && m >= QUARTER) m = HALF - 1 - m, sign *= k % 4 ? -1 : 1;
    return sign * ww_dct[(starts[k % 4] + m) * WW_DCT_ROWS + k / 4];
}

/* Orthonormal DCT-II of the log-mel. */
static void dct(const int32_t *logmel, uint16_t coeffs, int16_t *row) {
    enum { SHIFT = WW_LOGMEL_FRAC_BITS + WW_DCT_FRAC_BITS - WW_MFCC_FRAC_BITS };
    for (uint16_t k = 0; k < coeffs; k++) {
        int64_t sum = 1 << (SHIFT - 1);
        for (int m = 0; m < WW_MEL_BANDS; m++)
            sum += dct_element(k, m) * logmel[m];
        row[k] = (int16_t)(sum >> SHIFT);
    }
}

/* Q8 to Q7, halves up. */
static void bands(const int32_t *logmel, int16_t *row) {
    for (int band = 0; band < WW_MEL_BANDS; band++)
        row[band] = (int16_t)(logmel[band] / 2 + logmel[band] % 2);
}

void ww_mfcc_row(const ww_frontend *fe, int16_t *row) {
    bin bins[WW_FFT_POINTS];
    int32_t logmel[WW_MEL_BANDS] = {0};
    int shift = frame_shift(fe->window.samples);
    if (shift != SILENT) {
        load_frame(fe->window.samples, shift, bins);
        fft(bins);
        real_power(bins);
        log_mel(bins, shift, logmel);
    }
    if (fe->kind == WW_FEATURES_LOGMEL)
        bands(logmel, row);
    else
        dct(logmel, fe->coeffs, row);
}
