/* Fixed-point front end: one hop of audio in, one row of int16 features out.
 *
 * WW_FEATURES_MFCC, _LOGMEL: Hann window (512, periodic) -> block scaling -> real FFT -> power ->
 * 40 HTK mel triangles (unit sum) -> log2(1 + E / floor), the log-mel row -> orthonormal DCT-II,
 * the MFCC row. Same numbers as librosa's feature.mfcc on that log-mel within the bound that
 * tests/host/test_frontend.py states.
 *
 * WW_FEATURES_MICRO: what TensorFlow's micro frontend gives with microWakeWord's settings, bit for
 * bit: Hann window (480) -> block scaling -> real FFT of 512 in 16 bits -> power -> 40 mel
 * triangles
 * -> square root -> noise reduction -> PCAN gain control -> 64 ln(x).
 */
#ifndef WATCHWORD_FRONTEND_H
#define WATCHWORD_FRONTEND_H

#include "watchword/types.h"

/* Set to 0 what a program does not need: its code and tables are left out, and images that want it
 * are refused (WW_ERR_FEATURES). MFCC stands for log-mel as well. */
#ifndef WW_WITH_MFCC
#define WW_WITH_MFCC 1
#endif
#ifndef WW_WITH_MICRO
#define WW_WITH_MICRO 1
#endif
#if !WW_WITH_MFCC && !WW_WITH_MICRO
#error "WW_WITH_MFCC and WW_WITH_MICRO are both 0: no features are left"
#endif

WW_BEGIN_DECLS

typedef struct {
    union {
        int16_t samples[WW_WINDOW_SAMPLES];
        uint32_t pairs[WW_WINDOW_SAMPLES / 2]; /* the same, where two at once are cheaper */
#if WW_WITH_MICRO
        struct {
            int16_t samples[WW_MICRO_WINDOW_SAMPLES];
            uint32_t noise[WW_MICRO_CHANNELS]; /* estimate for each channel */
        } micro;
#endif
    } window; /* the latest samples, oldest first */
    uint16_t hop_samples;
    uint16_t coeffs;
    uint16_t kind;   /* WW_FEATURES_MFCC, _LOGMEL, _MICRO */
    uint16_t filled; /* samples in the window; when it is full there is a row */
} ww_frontend;

/* kind: WW_FEATURES_MFCC, _LOGMEL or _MICRO; hop_samples: one of WW_HOP_CHOICES; coeffs, the length
 * of a row: WW_MIN_COEFFS..WW_MAX_COEFFS, of log-mel WW_MEL_BANDS, of micro WW_MICRO_CHANNELS.
 * WW_ERR_FEATURES: built without that kind. */
ww_status ww_frontend_init(ww_frontend *fe, uint16_t kind, uint16_t hop_samples,
                           uint16_t coeffs) WW_CHECKED;

/* Is that a row which the front end can make? */
bool ww_frontend_makes(uint16_t kind, uint16_t hop_samples, uint16_t coeffs);

/* Was it built with that kind? */
bool ww_frontend_has(uint16_t kind);

/* Fingerprint of what makes rows of that kind; a model is for the one it was trained with. */
uint32_t ww_frontend_id(uint16_t kind);

/* Forget all audio: as after init. The first row sees silence before the first hop, but of micro:
 * there it comes when the window is full of samples. */
void ww_frontend_reset(ww_frontend *fe);

/* How many samples the next row still wants. */
size_t ww_frontend_wants(const ww_frontend *fe);

/* Take up to `count` samples, stopping at the end of a hop. *used says how many were taken.
 * Returns true when a hop is complete and row[0..coeffs) holds its values (Q9.7 log2 power; micro:
 * 64 ln(x)).
 * The result for the same samples does not depend on how they are cut into calls. */
bool ww_frontend_push(ww_frontend *fe, const int16_t *samples, size_t count, size_t *used,
                      int16_t *row);

WW_END_DECLS

#endif
