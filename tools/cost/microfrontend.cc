// TensorFlow's micro frontend on the same emulated board and audio as board.c, with the
// settings of pymicro-features (what microWakeWord uses). Its sources come from that package.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern "C" {
#include "board.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

extern const int16_t cost_pcm[];
extern const uint32_t cost_pcm_samples;

// The frontend allocates its tables once, and the board has no heap.
static uint8_t heap[48 * 1024] __attribute__((aligned(16)));
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

static void print_value(const char *name, uint32_t value) {
    char digits[12] = " 0000000000";
    for (int i = 10; i > 0; i--, value /= 10)
        digits[i] = static_cast<char>('0' + value % 10);
    while (*name)
        name += board_link_write(reinterpret_cast<const uint8_t *>(name), 1);
    for (const char *d = digits; *d;)
        d += board_link_write(reinterpret_cast<const uint8_t *>(d), 1);
    while (board_link_write(reinterpret_cast<const uint8_t *>("\n"), 1) == 0) {
    }
}

static bool measure(int step_ms, const char *name) {
    static FrontendConfig config;
    static FrontendState state;
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
    if (!FrontendPopulateState(&config, &state, 16000)) return false;
    uint32_t rows = 0, started = board_counter();
    size_t used, left = cost_pcm_samples;
    for (const int16_t *samples = cost_pcm; left > 0; samples += used, left -= used)
        rows += FrontendProcessSamples(&state, samples, left, &used).values != nullptr;
    print_value(name, (board_counter() - started) / rows);
    return true;
}

int main() {
    board_init();
    bool good = measure(10, "frontend_row_10ms") && measure(20, "frontend_row_20ms");
    print_value("heap_bytes", static_cast<uint32_t>(heap_used / 2));
    print_value(good ? "done" : "error", 0);
    board_restart();
    return 0;
}
