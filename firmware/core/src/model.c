#include "hot.h"

#include "watchword/model.h"

#include <string.h>

#include "kernels.h"

#if WW_MODEL_VERSION != 4
#error "ww_model_format.h is of another version than model.c"
#endif

/* Start of the arena: one record for each value; record i + 1 belongs to layer i and its output. */
typedef struct {
    uint16_t latest; /* index of the newest row in the value's ring */
    uint16_t wait;   /* rows of input_a until the layer's next output row */
} value_state;

WW_STATIC_ASSERT(sizeof(value_state) == WW_MODEL_STATE_BYTES, value_state_size);

static value_state *states(const ww_model *m) {
    return (value_state *)(void *)m->arena;
}

ww_ring ww_model_value(const ww_model *m, uint32_t value) {
    ww_ring ring;
    if (value == 0) {
        ring.data = (int8_t *)m->arena + m->header->input_ring_offset;
        ring.channels = m->header->coeffs;
        ring.rows = m->header->input_ring_rows;
    } else {
        const ww_layer *layer = &m->layers[value - 1];
        ring.data = (int8_t *)m->arena + layer->ring_offset;
        ring.channels = layer->row_channels;
        ring.rows = layer->ring_rows;
    }
    ring.latest = states(m)[value].latest;
    return ring;
}

/* Moves a value on by one row and returns where that row goes. */
static int8_t *next_row(ww_model *m, uint32_t value) {
    value_state *state = &states(m)[value];
    ww_ring ring = ww_model_value(m, value);
    state->latest = (uint16_t)(ring.latest + 1u < ring.rows ? ring.latest + 1u : 0u);
    return ring.data + state->latest * ring.channels;
}

static ww_tables tables_of(const ww_model *m, const ww_layer *layer) {
    const uint8_t *image = (const uint8_t *)m->header;
    ww_tables tables;
    tables.weights = (const int8_t *)(image + layer->weights_offset);
    tables.bias = (const int32_t *)(const void *)(image + layer->bias_offset);
    tables.multiplier = (const uint32_t *)(const void *)(image + layer->multiplier_offset);
    tables.shift = (const int8_t *)(image + layer->shift_offset);
    return tables;
}

static void run_layer(ww_model *m, uint32_t index) {
    const ww_layer *layer = &m->layers[index];
    ww_tables tables = tables_of(m, layer);
    ww_ring in = ww_model_value(m, layer->input_a);
    int8_t *out = next_row(m, index + 1) + layer->out_first;
    in.data += layer->in_first;
    switch (layer->op) {
        case WW_OP_CONV:
            ww_kernel_conv(layer, &tables, &in, out);
            break;
        case WW_OP_DEPTHWISE:
            ww_kernel_depthwise(layer, &tables, &in, out);
            break;
        case WW_OP_ADD: {
            ww_ring other = ww_model_value(m, layer->input_b);
            ww_kernel_add(layer, &tables, &in, &other, out);
            break;
        }
        case WW_OP_AVERAGE:
            ww_kernel_average(layer, &in, out);
            break;
        case WW_OP_MEAN:
            ww_kernel_mean(layer, &tables, &in, out);
            break;
        default: /* WW_OP_LUT: ww_model_check lets no other code pass */
            ww_kernel_lut(layer, &tables, &in, out);
            break;
    }
}

ww_status ww_model_init(ww_model *m, const void *image, size_t image_bytes, void *arena,
                        size_t arena_bytes) {
    if (m == NULL || arena == NULL || (uintptr_t)arena % 4 != 0) return WW_ERR_ARGUMENT;
    ww_status status = ww_model_bind(m, image, image_bytes);
    if (status != WW_OK) return status;
    if (arena_bytes < m->header->arena_bytes) return WW_ERR_ARENA;
    m->arena = arena;
    ww_model_reset(m);
    return WW_OK;
}

static void fill_ring(ww_model *m, uint32_t value, int8_t fill) {
    ww_ring ring = ww_model_value(m, value);
    memset(ring.data, fill, (size_t)ring.rows * ring.channels);
}

void ww_model_reset(ww_model *m) {
    value_state *state = states(m);
    memset(m->arena, 0, m->header->arena_bytes);
    fill_ring(m, 0, m->header->input_fill);
    m->rows = 0;
    state[0].latest = (uint16_t)(m->header->input_ring_rows - 1u);
    for (uint32_t i = 0; i < m->header->layer_count; i++) {
        const ww_layer *layer = &m->layers[i];
        uint32_t in_first = 1, in_step = 1;
        if (layer->input_a > 0) {
            in_first = m->layers[layer->input_a - 1].first_row;
            in_step = m->layers[layer->input_a - 1].row_step;
        }
        state[i + 1].latest = (uint16_t)(layer->ring_rows - 1u);
        state[i + 1].wait = (uint16_t)((layer->first_row - in_first) / in_step + 1u);
        if (layer->joins == 0) fill_ring(m, i + 1, layer->fill);
    }
}

bool ww_model_push(ww_model *m, const int8_t *row, uint8_t *score) {
    bool fresh[WW_MODEL_MAX_LAYERS + 1]; /* value has a new row in this push */
    uint32_t count = m->header->layer_count;
    memcpy(next_row(m, 0), row, m->header->coeffs);
    if (m->rows < UINT32_MAX) m->rows++;
    fresh[0] = true;
    for (uint32_t i = 0; i < count; i++) {
        value_state *state = &states(m)[i + 1];
        fresh[i + 1] = fresh[m->layers[i].input_a] && --state->wait == 0;
        if (fresh[i + 1]) {
            state->wait = m->layers[i].stride;
            run_layer(m, i);
        }
    }
    if (!fresh[count]) return false;
    ww_ring last = ww_model_value(m, count);
    *score = (uint8_t)(ww_ring_row(&last, 0)[0] + 128);
    return true;
}

size_t ww_model_arena_bytes(const ww_model *m) {
    return m->header->arena_bytes;
}
