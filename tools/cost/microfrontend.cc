// TensorFlow's micro frontend on the same emulated board and audio as board.c, with the
// settings of pymicro-features (what microWakeWord uses). Its sources come from that package.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cost_output.h"

extern "C" {
#include "tensorflow/lite/experimental/microfrontend/lib/bits.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

extern const int16_t cost_pcm[];
extern const uint32_t cost_pcm_samples;

// The frontend allocates its tables once, and the board has no heap.
static uint8_t heap[72 * 1024] __attribute__((aligned(16)));
static size_t heap_used;

void *malloc(size_t bytes) {
    uint8_t *block = heap + heap_used;
    heap_used += (bytes + 15) & ~static_cast<size_t>(15);
    return heap_used <= sizeof heap ? block : nullptr;
}

void *calloc(size_t count, size_t bytes) {
    return malloc(count * bytes);  // the heap is zero and nothing is given back
}

void free(void *) {}

void abort() {
    board_restart();
    for (;;) {
    }
}
}

FILE *const stderr = nullptr;  // its error messages are never reached

static FrontendConfig config;
static FrontendState state;

static bool configure(int step_ms) {
    FrontendFillConfigWithDefaults(&config);
    config.window.size_ms = 30;
    config.window.step_size_ms = static_cast<size_t>(step_ms);
    config.filterbank.num_channels = 40;
    config.filterbank.lower_band_limit = 125.0f;
    config.filterbank.upper_band_limit = 7500.0f;
    config.noise_reduction.smoothing_bits = 10;
    config.noise_reduction.even_smoothing = 0.025f;
    config.noise_reduction.odd_smoothing = 0.06f;
    config.noise_reduction.min_signal_remaining = 0.05f;
    config.pcan_gain_control.enable_pcan = 1;
    config.pcan_gain_control.strength = 0.95f;
    config.pcan_gain_control.offset = 80.0f;
    config.pcan_gain_control.gain_bits = 21;
    config.log_scale.enable_log = 1;
    config.log_scale.scale_shift = 6;
    return FrontendPopulateState(&config, &state, 16000);
}

static bool measure(int step_ms, const char *name) {
    if (!configure(step_ms)) return false;
    uint32_t rows = 0, spent = 0, hash = 2166136261u;
    size_t used, left = cost_pcm_samples;
    for (const int16_t *samples = cost_pcm; left > 0; samples += used, left -= used) {
        uint32_t started = board_counter();
        FrontendOutput output = FrontendProcessSamples(&state, samples, left, &used);
        spent += board_counter() - started;
        if (!output.values) continue;
        rows++;
        hash = hashed(hash, output.values, output.size);
    }
    print_value(name, spent / rows);
    print_value("rows_hash", hash);
    return true;
}

// FrontendProcessSamples with the counter read between its stages.
static bool measure_stages() {
    if (!configure(10)) return false;
    static uint32_t spent[MICRO_STAGES];
    static const char *const names[] = MICRO_STAGE_NAMES;
    uint32_t rows = 0;
    size_t used, left = cost_pcm_samples;
    for (const int16_t *samples = cost_pcm; left > 0; samples += used, left -= used) {
        uint32_t at[MICRO_STAGES + 1] = {board_counter()};
        if (!WindowProcessSamples(&state.window, samples, left, &used)) continue;
        at[1] = board_counter();
        int shift = 15 - MostSignificantBit32(state.window.max_abs_output_value);
        FftCompute(&state.fft, state.window.output, shift);
        int32_t *energy = reinterpret_cast<int32_t *>(state.fft.output);
        FilterbankConvertFftComplexToEnergy(&state.filterbank, state.fft.output, energy);
        at[2] = board_counter();
        FilterbankAccumulateChannels(&state.filterbank, energy);
        uint32_t *channels = FilterbankSqrt(&state.filterbank, shift);
        at[3] = board_counter();
        NoiseReductionApply(&state.noise_reduction, channels);
        PcanGainControlApply(&state.pcan_gain_control, channels);
        LogScaleApply(&state.log_scale, channels, state.filterbank.num_channels, 3);
        at[4] = board_counter();
        for (int i = 0; i < MICRO_STAGES; i++)
            spent[i] += at[i + 1] - at[i];
        rows++;
    }
    for (int i = 0; i < MICRO_STAGES; i++)
        print_value(names[i], spent[i] / rows);
    return true;
}

int main() {
    board_init();
    bool good = measure(10, "frontend_row_10ms");
    print_value("heap_bytes", static_cast<uint32_t>(heap_used));
    good = good && measure(20, "frontend_row_20ms") && measure_stages();
    print_value(good ? "done" : "error", 0);
    board_restart();
    return 0;
}
