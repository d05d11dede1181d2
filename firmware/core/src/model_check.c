/* ww_model_check, ww_model_bind: after WW_OK, ww_model_push stays inside image and arena whatever
 * the rows are.
 *
 * All arithmetic on numbers from the image is done in uint32_t on factors already bounded, so
 * that nothing wraps: channels <= 2^10, rows <= 2^11, products <= 2^16.
 */
#include <string.h>

#include "watchword/crc32.h"
#include "watchword/frontend.h"
#include "watchword/model.h"
#include "watchword/normaliser.h"

typedef struct {
    const uint8_t *image;
    const ww_model_header *header;
    const ww_layer *layers;
    uint32_t arena_used; /* end of the rings laid out so far */
} checker;

/* What a layer has to know of the value it reads. */
typedef struct {
    uint32_t channels, ring_rows, first_row, row_step;
} value_info;

static bool in_range(uint32_t value, uint32_t low, uint32_t high) {
    return low <= value && value <= high;
}

/* Is [offset, offset + bytes) aligned and inside [start, start + length)? */
static bool inside(uint32_t offset, uint32_t bytes, uint32_t start, uint32_t length) {
    return offset % 4 == 0 && offset >= start && offset - start <= length &&
           bytes <= length - (offset - start);
}

static bool in_weights(const checker *c, uint32_t offset, uint32_t bytes) {
    return inside(offset, bytes, c->header->weights_offset, c->header->weights_bytes);
}

static bool in_image(const checker *c, uint32_t offset, uint32_t bytes) {
    uint32_t body = c->header->image_bytes - WW_MODEL_HEADER_BYTES;
    return inside(offset, bytes, WW_MODEL_HEADER_BYTES, body);
}

static ww_status check_envelope(const uint8_t *image, size_t image_bytes) {
    const ww_model_header *header = (const ww_model_header *)(const void *)image;
    if (image_bytes < WW_MODEL_HEADER_BYTES) return WW_ERR_TRUNCATED;
    if (header->magic != WW_MODEL_MAGIC) return WW_ERR_MAGIC;
    if (header->version != WW_MODEL_VERSION) return WW_ERR_VERSION;
    if (header->header_bytes != WW_MODEL_HEADER_BYTES) return WW_ERR_VERSION;
    if (header->image_bytes > image_bytes) return WW_ERR_TRUNCATED;
    if (!in_range(header->image_bytes, WW_MODEL_HEADER_BYTES, WW_MODEL_MAX_IMAGE_BYTES)) {
        return WW_ERR_TRUNCATED;
    }
    uint32_t crc = ww_crc32(0, image + WW_MODEL_CRC_FROM, header->image_bytes - WW_MODEL_CRC_FROM);
    return crc == header->crc32 ? WW_OK : WW_ERR_CRC;
}

/* The means, behind them the spreads where there are any, and the gains. */
static bool tables_are_good(const checker *c) {
    const ww_model_header *h = c->header;
    bool variance = h->cmvn_mode == WW_CMVN_RUNNING_MV;
    if (!in_image(c, h->norm_mean_offset, (variance ? 4u : 2u) * h->coeffs)) return false;
    bool affine = h->cmvn_mode == WW_CMVN_AFFINE;
    if (!in_image(c, h->norm_gain_offset, (affine ? 4u : 2u) * h->coeffs)) return false;
    const void *at = c->image + h->norm_mean_offset + 2u * h->coeffs;
    return !variance || ww_spreads_fit(at, h->coeffs);
}

static ww_status check_frontend(const checker *c) {
    const ww_model_header *h = c->header;
    if (!ww_frontend_has(h->feature_kind)) return WW_ERR_FEATURES;
    if (h->frontend_id != ww_frontend_id(h->feature_kind)) return WW_ERR_FRONTEND;
    if (!ww_frontend_makes(h->feature_kind, h->hop_samples, h->coeffs)) return WW_ERR_FRONTEND;
    if (h->cmvn_mode > WW_CMVN_AFFINE) return WW_ERR_FRONTEND;
    bool running = h->cmvn_mode == WW_CMVN_RUNNING || h->cmvn_mode == WW_CMVN_RUNNING_MV;
    if (running && !in_range(h->cmvn_alpha_q15, 1, (1u << WW_CMVN_ALPHA_FRAC_BITS) - 1u)) {
        return WW_ERR_FRONTEND;
    }
    return tables_are_good(c) ? WW_OK : WW_ERR_FRONTEND;
}

/* The word goes to terminals and logs: printable, terminated, padded with zeros. */
static bool word_is_clean(const char *word) {
    bool ended = false;
    for (uint32_t i = 0; i < WW_WORD_BYTES; i++) {
        uint8_t byte = (uint8_t)word[i];
        if (ended ? byte != 0 : (byte != 0 && (byte < 0x20 || byte == 0x7f))) return false;
        ended = ended || byte == 0;
    }
    return ended && word[0] != 0;
}

ww_detector_config ww_model_detector(const ww_model_header *header) {
    return (ww_detector_config){.smoothing = header->smoothing,
                                .high_q15 = header->high_q15,
                                .low_q15 = header->low_q15,
                                .cooldown_ms = header->cooldown_ms};
}

ww_status ww_model_preset(const void *image, uint32_t preset, ww_detector_config *config) {
    const ww_model_header *header = image;
    if (header->presets_offset == 0 || preset >= WW_PRESETS) return WW_ERR_PRESET;
    const void *at = (const uint8_t *)image + header->presets_offset;
    const ww_preset *record = (const ww_preset *)at + preset;
    *config = (ww_detector_config){.smoothing = record->smoothing,
                                   .high_q15 = record->high_q15,
                                   .low_q15 = record->low_q15,
                                   .cooldown_ms = record->cooldown_ms};
    return WW_OK;
}

uint8_t ww_model_preset_of(const void *image, const ww_detector_config *config) {
    ww_detector_config preset;
    for (uint8_t i = 0; ww_model_preset(image, i, &preset) == WW_OK; i++) {
        if (preset.smoothing == config->smoothing && preset.high_q15 == config->high_q15 &&
            preset.low_q15 == config->low_q15 && preset.cooldown_ms == config->cooldown_ms) {
            return i;
        }
    }
    return WW_NO_PRESET;
}

/* Does [offset, offset + bytes), which is inside the image, share bytes with layers or weights?
 * Numbers of those can look like settings that a detector takes.
 */
static bool meets_network(const checker *c, uint32_t offset, uint32_t bytes) {
    const ww_model_header *h = c->header;
    uint32_t end = offset + bytes;
    bool layers =
        offset < h->layers_offset + h->layer_count * WW_LAYER_BYTES && h->layers_offset < end;
    return layers || (offset < h->weights_offset + h->weights_bytes && h->weights_offset < end);
}

static ww_status check_presets(const checker *c) {
    ww_detector_config config;
    if (c->header->presets_offset == 0) return WW_OK;
    uint32_t first = c->header->presets_offset, bytes = WW_PRESETS * WW_PRESET_BYTES;
    if (!in_image(c, first, bytes) || meets_network(c, first, bytes)) return WW_ERR_PRESET;
    for (uint32_t i = 0; ww_model_preset(c->image, i, &config) == WW_OK; i++) {
        ww_status status = ww_detector_check(&config);
        if (status != WW_OK) return status;
    }
    return WW_OK;
}

static ww_status check_detector(const checker *c) {
    ww_detector_config config = ww_model_detector(c->header);
    ww_status status = ww_detector_check(&config);
    if (status == WW_OK) status = check_presets(c);
    return status == WW_OK && !word_is_clean(c->header->word) ? WW_ERR_ARGUMENT : status;
}

static value_info value_at(const checker *c, uint32_t value) {
    value_info info = {c->header->coeffs, c->header->input_ring_rows, 1, 1};
    if (value > 0) {
        const ww_layer *layer = &c->layers[value - 1];
        info.channels = layer->row_channels;
        info.ring_rows = layer->ring_rows;
        info.first_row = layer->first_row;
        info.row_step = layer->row_step;
    }
    return info;
}

/* Takes the next ring of the arena: rings lie one after another, each on a 4-byte boundary. */
static bool place_ring(checker *c, uint32_t offset, uint32_t rows, uint32_t channels) {
    if (offset != c->arena_used || !in_range(rows, 1, WW_MODEL_MAX_ROWS)) return false;
    c->arena_used += (rows * channels + 3u) & ~3u;
    return c->arena_used <= WW_MODEL_MAX_ARENA_BYTES;
}

/* At the layer's first output row and every one after, `in` has a new row, and its ring all those
 * back to `reach` before it: rows of the stream or, before their first, the fill. */
static bool timing_fits(const ww_layer *layer, const value_info *in, uint32_t reach) {
    return reach < in->ring_rows && in_range(layer->first_row, in->first_row, WW_MODEL_MAX_ROWS) &&
           (layer->first_row - in->first_row) % in->row_step == 0;
}

static bool scales_are_good(const checker *c, const ww_layer *layer, uint32_t count,
                            int max_shift) {
    if (!in_weights(c, layer->multiplier_offset, 4u * count)) return false;
    if (!in_weights(c, layer->shift_offset, count)) return false;
    const int8_t *shift = (const int8_t *)(c->image + layer->shift_offset);
    for (uint32_t i = 0; i < count; i++) {
        if (shift[i] < -31 || shift[i] > max_shift) return false;
    }
    return true;
}

static bool bias_is_good(const checker *c, const ww_layer *layer, uint32_t count) {
    if (!in_weights(c, layer->bias_offset, 4u * count)) return false;
    const void *at = c->image + layer->bias_offset;
    const int32_t *bias = at;
    for (uint32_t i = 0; i < count; i++) {
        if (bias[i] >= (int32_t)WW_MODEL_MAX_BIAS) return false;
        if (bias[i] <= -(int32_t)WW_MODEL_MAX_BIAS) return false;
    }
    return true;
}

static bool is_rowwise(const ww_layer *layer) {
    return layer->taps == 1 && layer->stride == 1 && layer->out_channels == layer->in_channels;
}

static bool check_conv(const checker *c, const ww_layer *layer) {
    uint32_t groups = layer->groups;
    if (groups == 0 || layer->in_channels % groups || layer->out_channels % groups) return false;
    uint32_t products = (uint32_t)layer->taps * (layer->in_channels / groups);
    if (products > WW_MODEL_MAX_PRODUCTS) return false;
    return in_weights(c, layer->weights_offset, products * layer->out_channels) &&
           bias_is_good(c, layer, layer->out_channels) &&
           scales_are_good(c, layer, layer->out_channels, 30);
}

static bool check_depthwise(const checker *c, const ww_layer *layer) {
    if (layer->out_channels % layer->in_channels != 0) return false;
    uint32_t weights = (uint32_t)layer->taps * layer->out_channels;
    return in_weights(c, layer->weights_offset, weights) &&
           bias_is_good(c, layer, layer->out_channels) &&
           scales_are_good(c, layer, layer->out_channels, 30);
}

static bool check_add(const checker *c, const ww_layer *layer, uint32_t index) {
    if (!is_rowwise(layer) || layer->input_b > index) return false;
    value_info b = value_at(c, layer->input_b);
    /* stride is 1, so row_step is that of input_a */
    return b.channels == layer->in_channels && b.row_step == layer->row_step &&
           timing_fits(layer, &b, layer->lag_b) && scales_are_good(c, layer, 2, 0);
}

static bool check_op(const checker *c, const ww_layer *layer, uint32_t index) {
    switch (layer->op) {
        case WW_OP_CONV:
            return check_conv(c, layer);
        case WW_OP_DEPTHWISE:
            return check_depthwise(c, layer);
        case WW_OP_ADD:
            return check_add(c, layer, index);
        case WW_OP_AVERAGE:
            return layer->out_channels == layer->in_channels;
        case WW_OP_MEAN:
            return layer->out_channels == layer->in_channels && bias_is_good(c, layer, 1) &&
                   scales_are_good(c, layer, 1, 30);
        case WW_OP_LUT:
            return is_rowwise(layer) && in_range(layer->groups, 1, layer->out_channels) &&
                   in_weights(c, layer->weights_offset, 256u * layer->groups);
        default:
            return false;
    }
}

/* Its rows get a ring of their own, or it writes into those of an earlier layer, which come in the
 * same pushes: each of the two keeps its own place in the ring, always the same one. */
static bool output_is_good(checker *c, const ww_layer *layer, uint32_t index) {
    uint32_t end = (uint32_t)layer->out_first + layer->out_channels;
    if (!in_range(layer->row_channels, end, WW_MODEL_MAX_CHANNELS)) return false;
    if (layer->joins == 0) {
        return place_ring(c, layer->ring_offset, layer->ring_rows, layer->row_channels);
    }
    if (layer->joins > index) return false;
    const ww_layer *owner = &c->layers[layer->joins - 1];
    return owner->joins == 0 && layer->row_channels == owner->row_channels &&
           layer->fill == owner->fill && layer->ring_offset == owner->ring_offset &&
           layer->ring_rows == owner->ring_rows && layer->first_row == owner->first_row &&
           layer->row_step == owner->row_step;
}

static bool check_layer(checker *c, uint32_t index) {
    const ww_layer *layer = &c->layers[index];
    if (layer->input_a > index) return false;
    value_info in = value_at(c, layer->input_a);
    if (!in_range(layer->in_first + (uint32_t)layer->in_channels, 1, in.channels)) return false;
    if (!in_range(layer->in_channels, 1, in.channels)) return false;
    if (!in_range(layer->out_channels, 1, WW_MODEL_MAX_CHANNELS)) return false;
    if (!in_range(layer->taps, 1, WW_MODEL_MAX_ROWS)) return false;
    if (!in_range(layer->dilation, 1, WW_MODEL_MAX_ROWS)) return false;
    if (!in_range(layer->stride, 1, WW_MODEL_MAX_ROWS)) return false;
    if (layer->lag_a > (layer->op == WW_OP_ADD ? WW_MODEL_MAX_ROWS : 0u)) return false;
    if (layer->out_min > layer->out_max || layer->row_step != in.row_step * layer->stride) {
        return false;
    }
    uint32_t reach = layer->lag_a + (layer->taps - 1u) * layer->dilation;
    return timing_fits(layer, &in, reach) && check_op(c, layer, index) &&
           output_is_good(c, layer, index);
}

static ww_status check_layers(checker *c) {
    const ww_model_header *h = c->header;
    if (!in_range(h->layer_count, 1, WW_MODEL_MAX_LAYERS)) return WW_ERR_LAYER;
    if (!in_image(c, h->layers_offset, h->layer_count * WW_LAYER_BYTES)) return WW_ERR_LAYER;
    if (!in_image(c, h->weights_offset, h->weights_bytes)) return WW_ERR_LAYER;
    c->layers = (const ww_layer *)(const void *)(c->image + h->layers_offset);
    c->arena_used = (h->layer_count + 1u) * WW_MODEL_STATE_BYTES;
    if (!place_ring(c, h->input_ring_offset, h->input_ring_rows, h->coeffs)) return WW_ERR_ARENA;
    for (uint32_t i = 0; i < h->layer_count; i++) {
        if (!check_layer(c, i)) return WW_ERR_LAYER;
    }
    const ww_layer *last = &c->layers[h->layer_count - 1];
    if (last->row_channels != 1 || last->first_row != h->first_rows) return WW_ERR_LAYER;
    if (last->row_step != h->stride_rows) return WW_ERR_LAYER;
    if (!in_range(h->receptive_rows, h->first_rows, WW_MODEL_MAX_ROWS)) return WW_ERR_LAYER;
    return h->arena_bytes == c->arena_used ? WW_OK : WW_ERR_ARENA;
}

ww_status ww_model_check(const void *image, size_t image_bytes) {
    if (image == NULL || (uintptr_t)image % 4 != 0) return WW_ERR_ARGUMENT;
    checker c = {image, image, NULL, 0};
    ww_status status = check_envelope(image, image_bytes);
    if (status == WW_OK) status = check_frontend(&c);
    if (status == WW_OK) status = check_detector(&c);
    if (status == WW_OK) status = check_layers(&c);
    return status;
}

ww_status ww_model_bind(ww_model *m, const void *image, size_t image_bytes) {
    const uint8_t *bytes = image;
    ww_status status = ww_model_check(image, image_bytes);
    if (status != WW_OK) return status;
    m->header = image;
    m->layers = (const ww_layer *)(const void *)(bytes + m->header->layers_offset);
    m->norm_mean = (const int16_t *)(const void *)(bytes + m->header->norm_mean_offset);
    m->norm_gain = bytes + m->header->norm_gain_offset;
    m->norm_spread = m->header->cmvn_mode == WW_CMVN_RUNNING_MV
                         ? (const uint16_t *)(const void *)(m->norm_mean + m->header->coeffs)
                         : NULL;
    return WW_OK;
}
