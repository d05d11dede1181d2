/* What the pipeline costs on an emulated board, layer by layer (tools/cost/board.py builds and runs
 * this; it is no part of the firmware). The linker sends calls of the kernels through the wrappers
 * here, so the core is measured as the firmware has it.
 *
 * Prints lines "name value"; the last one is "done 0", or "error STATUS".
 */
#include "cost_output.h"
#include "kernels.h"
#include "model.h"
#include "watchword/pipeline.h"

#define HOP_SAMPLES 320
#define WARM_UP_HOPS 200 /* every layer runs by then */

extern const int16_t cost_pcm[];
extern const uint32_t cost_pcm_samples;

static uint8_t arena[WW_MODEL_ARENA_BYTES] __attribute__((aligned(16)));
static ww_pipeline pipeline;
static uint32_t layer_cost[WW_MODEL_MAX_LAYERS];
static uint32_t normaliser_cost;

static void charge(const ww_layer *layer, uint32_t started) {
    layer_cost[layer - pipeline.words[0].model.layers] += board_counter() - started;
}

#define WRAP(name, parameters, arguments)     \
    void __real_ww_kernel_##name parameters;  \
    void __wrap_ww_kernel_##name parameters;  \
    void __wrap_ww_kernel_##name parameters { \
        uint32_t started = board_counter();   \
        __real_ww_kernel_##name arguments;    \
        charge(layer, started);               \
    }

WRAP(conv, (const ww_layer *layer, const ww_tables *t, const ww_ring *in, int8_t *out),
     (layer, t, in, out))
WRAP(depthwise, (const ww_layer *layer, const ww_tables *t, const ww_ring *in, int8_t *out),
     (layer, t, in, out))
WRAP(add,
     (const ww_layer *layer, const ww_tables *t, const ww_ring *a, const ww_ring *b, int8_t *out),
     (layer, t, a, b, out))
WRAP(average, (const ww_layer *layer, const ww_ring *in, int8_t *out), (layer, in, out))
WRAP(mean, (const ww_layer *layer, const ww_tables *t, const ww_ring *in, int8_t *out),
     (layer, t, in, out))
WRAP(lut, (const ww_layer *layer, const ww_tables *t, const ww_ring *in, int8_t *out),
     (layer, t, in, out))

void __real_ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out);
void __wrap_ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out);
void __wrap_ww_normaliser_push(ww_normaliser *n, const int16_t *row, int8_t *out) {
    uint32_t started = board_counter();
    __real_ww_normaliser_push(n, row, out);
    normaliser_cost += board_counter() - started;
}

static void push_hop(uint32_t hop) {
    ww_step step;
    const int16_t *samples = cost_pcm + hop * HOP_SAMPLES;
    for (size_t used = 0; used < HOP_SAMPLES;)
        used += ww_pipeline_push(&pipeline, samples + used, HOP_SAMPLES - used, &step);
}

/* All layers over an even number of hops: as many rows of each layer as a stride of 2 gives. */
static void measure_layers(void) {
    uint32_t hops = cost_pcm_samples / HOP_SAMPLES / 2 * 2;
    for (uint32_t hop = 0; hop < WARM_UP_HOPS; hop++)
        push_hop(hop);
    for (uint32_t i = 0; i < WW_MODEL_MAX_LAYERS; i++)
        layer_cost[i] = 0;
    normaliser_cost = 0;
    for (uint32_t hop = WARM_UP_HOPS; hop < hops; hop++)
        push_hop(hop);
    print_value("hops", hops - WARM_UP_HOPS);
    print_value("normaliser", normaliser_cost);
    for (uint32_t i = 0; i < pipeline.words[0].model.header->layer_count; i++)
        print_value("layer", layer_cost[i]);
}

/* The front end alone, for either hop. */
static void measure_frontend(uint16_t hop_samples, const char *name) {
    static ww_frontend frontend;
    int16_t row[WW_MAX_COEFFS];
    uint32_t rows = 0;
    size_t used, left = cost_pcm_samples;
    if (ww_frontend_init(&frontend, WW_FEATURES_MFCC, hop_samples, WW_MAX_COEFFS) != WW_OK) return;
    uint32_t started = board_counter();
    for (const int16_t *samples = cost_pcm; left > 0; samples += used, left -= used)
        rows += ww_frontend_push(&frontend, samples, left, &used, row);
    print_value(name, (board_counter() - started) / rows);
}

int main(void) {
    board_init();
    ww_pipeline_init(&pipeline, board_counter);
    ww_status status =
        ww_pipeline_add(&pipeline, ww_model_image, ww_model_image_bytes, arena, sizeof arena);
    if (status == WW_OK) {
        measure_layers();
        measure_frontend(160, "frontend_row_10ms");
        measure_frontend(320, "frontend_row_20ms");
    }
    print_value(status == WW_OK ? "done" : "error", status);
    board_restart();
    return 0;
}
