/* The micro front end's stages on an emulated board: micro.c is part of this program, so that they
 * can be called one by one. Prints lines "name value" (cost_output.h); the last one is "done 0". */
#include "cost_output.h"
#include "micro.c"

extern const int16_t cost_pcm[];
extern const uint32_t cost_pcm_samples;

static void measure_rows(uint16_t hop_samples, const char *name) {
    static ww_frontend fe;
    int16_t row[WW_MICRO_CHANNELS];
    uint32_t rows = 0, hash = 2166136261u, started, spent = 0;
    size_t used, left = cost_pcm_samples;
    if (ww_frontend_init(&fe, WW_FEATURES_MICRO, hop_samples, WW_MICRO_CHANNELS) != WW_OK) return;
    for (const int16_t *samples = cost_pcm; left > 0; samples += used, left -= used) {
        started = board_counter();
        bool made = ww_frontend_push(&fe, samples, left, &used, row);
        spent += board_counter() - started;
        if (!made) continue;
        rows++;
        hash = hashed(hash, (const uint16_t *)row, WW_MICRO_CHANNELS);
    }
    print_value(name, spent / rows);
    print_value("rows_hash", hash);
}

/* ww_micro_row with the counter read between its stages. */
static void measure_stages(void) {
    static ww_frontend fe;
    static uint32_t spent[MICRO_STAGES];
    static const char *const names[] = MICRO_STAGE_NAMES;
    enum { HOP = 160 };
    uint32_t rows = 0;
    for (const int16_t *x = cost_pcm; x + WW_MICRO_WINDOW_SAMPLES <= cost_pcm + cost_pcm_samples;
         x += HOP, rows++) {
        bin bins[POINTS];
        uint32_t signal[WW_MICRO_CHANNELS];
        int16_t row[WW_MICRO_CHANNELS];
        uint32_t at[MICRO_STAGES + 1] = {board_counter()};
        int shift = load_frame(x, bins);
        at[1] = board_counter();
        fft(bins, shift);
        real_power(bins);
        at[2] = board_counter();
        channels(bins, shift, signal);
        at[3] = board_counter();
        levels(signal, fe.window.micro.noise, row);
        at[4] = board_counter();
        for (int i = 0; i < MICRO_STAGES; i++)
            spent[i] += at[i + 1] - at[i];
    }
    for (int i = 0; i < MICRO_STAGES; i++)
        print_value(names[i], spent[i] / rows);
}

int main(void) {
    board_init();
    measure_rows(160, "frontend_row_10ms");
    measure_rows(320, "frontend_row_20ms");
    measure_stages();
    print_value("done", 0);
    board_restart();
    return 0;
}
