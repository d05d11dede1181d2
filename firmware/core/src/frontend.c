/* The window that slides over the audio, whatever the rows are made of. */
#include "watchword/frontend.h"

#include <string.h>

#include "rows.h"

bool ww_frontend_makes(uint16_t kind, uint16_t hop_samples, uint16_t coeffs) {
    static const uint16_t choices[] = WW_HOP_CHOICES;
    bool known = false;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        known |= hop_samples == choices[i];
    switch (kind) {
        case WW_FEATURES_MFCC:
            return known && coeffs >= WW_MIN_COEFFS && coeffs <= WW_MAX_COEFFS;
        case WW_FEATURES_LOGMEL:
            return known && coeffs == WW_MEL_BANDS;
        case WW_FEATURES_MICRO:
            return known && coeffs == WW_MICRO_CHANNELS;
        default:
            return false;
    }
}

bool ww_frontend_has(uint16_t kind) {
    return kind == WW_FEATURES_MICRO ? WW_WITH_MICRO : WW_WITH_MFCC;
}

uint32_t ww_frontend_id(uint16_t kind) {
    return kind == WW_FEATURES_MICRO ? WW_MICRO_FRONTEND_ID : WW_FRONTEND_ID;
}

ww_status ww_frontend_init(ww_frontend *fe, uint16_t kind, uint16_t hop_samples, uint16_t coeffs) {
    if (!ww_frontend_makes(kind, hop_samples, coeffs)) return WW_ERR_ARGUMENT;
    if (!ww_frontend_has(kind)) return WW_ERR_FEATURES;
    fe->kind = kind;
    fe->hop_samples = hop_samples;
    fe->coeffs = coeffs;
    ww_frontend_reset(fe);
    return WW_OK;
}

static inline size_t window_samples(const ww_frontend *fe) {
    return fe->kind == WW_FEATURES_MICRO ? WW_MICRO_WINDOW_SAMPLES : WW_WINDOW_SAMPLES;
}

void ww_frontend_reset(ww_frontend *fe) {
    memset(&fe->window, 0, sizeof fe->window);
    fe->filled =
        fe->kind == WW_FEATURES_MICRO ? 0 : (uint16_t)(WW_WINDOW_SAMPLES - fe->hop_samples);
}

size_t ww_frontend_wants(const ww_frontend *fe) {
    return window_samples(fe) - fe->filled;
}

/* C libraries for small chips copy byte by byte. */
static void copy_samples(int16_t *restrict to, const int16_t *restrict from, size_t count) {
    for (; count >= 4; count -= 4, to += 4, from += 4) {
        int16_t a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    }
    while (count--)
        *to++ = *from++;
}

/* Drop the oldest hop; hops and windows are multiples of 8 samples. */
static void advance(ww_frontend *fe, size_t samples) {
    uint32_t *to = fe->window.pairs, *from = to + fe->hop_samples / 2;
    for (uint32_t *end = to + samples / 2; from < end; to += 4, from += 4) {
        uint32_t a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    }
    fe->filled = (uint16_t)(samples - fe->hop_samples);
}

static void compute_row(ww_frontend *fe, int16_t *row) {
#if WW_WITH_MICRO
    if (fe->kind == WW_FEATURES_MICRO) ww_micro_row(fe, row);
#endif
#if WW_WITH_MFCC
    if (fe->kind != WW_FEATURES_MICRO) ww_mfcc_row(fe, row);
#endif
}

bool ww_frontend_push(ww_frontend *fe, const int16_t *samples, size_t count, size_t *used,
                      int16_t *row) {
    size_t whole = window_samples(fe), wanted = ww_frontend_wants(fe);
    size_t take = count < wanted ? count : wanted;
    copy_samples(fe->window.samples + fe->filled, samples, take);
    *used = take;
    fe->filled = (uint16_t)(fe->filled + take);
    if (fe->filled < whole) return false;
    compute_row(fe, row);
    advance(fe, whole);
    return true;
}
