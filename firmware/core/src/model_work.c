/* What an image asks of a chip: ww_model_check bounds its memory, not its work. */
#include "watchword/model.h"
#include "ww_spec.h"

static uint32_t products_of(const ww_layer *layer) {
    uint32_t outputs = (uint32_t)layer->taps * layer->out_channels;
    switch (layer->op) {
        case WW_OP_CONV:
            return outputs * (layer->in_channels / layer->groups);
        case WW_OP_DEPTHWISE:
        case WW_OP_AVERAGE:
        case WW_OP_MEAN:
            return outputs;
        default:
            return 0; /* its work is in its outputs */
    }
}

static uint32_t add_up_to_most(uint32_t a, uint32_t b) {
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

/* In uint32_t: a checked layer multiplies at most 2^15 * 2^10 times a row. */
uint32_t ww_model_instructions(const void *image) {
    const ww_model_header *header = image;
    const uint8_t *bytes = image;
    const ww_layer *layers = (const ww_layer *)(const void *)(bytes + header->layers_offset);
    uint32_t rows_a_second = WW_SAMPLE_RATE_HZ / header->hop_samples, row = 0;
    for (uint32_t i = 0; i < header->layer_count; i++) {
        uint32_t output = products_of(&layers[i]) * WW_MODEL_WORK_PER_PRODUCT +
                          layers[i].out_channels * WW_MODEL_WORK_PER_OUTPUT +
                          WW_MODEL_WORK_PER_LAYER;
        row = add_up_to_most(row, output / layers[i].row_step);
    }
    return row > UINT32_MAX / rows_a_second ? UINT32_MAX : row * rows_a_second;
}

ww_status ww_models_keep_up(uint64_t instructions, uint32_t core_hz) {
    return instructions <= core_hz / WW_MODEL_WORK_CYCLES ? WW_OK : WW_ERR_REAL_TIME;
}
