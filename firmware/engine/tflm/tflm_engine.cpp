// The engine interface of watchword/model.h on TensorFlow Lite Micro: for every score the whole
// window of rows goes through the .tflite file that the model image was made from. Built instead of
// core/src/model.c (environment esp32dev-tflm), to compare the two on a board: same front end, same
// detector, same link, scores that must be equal.
#include <string.h>

#include <new>

#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include "watchword/model.h"

extern "C" {
#include "model.h"
#include "model_tflite.h"
}

namespace {

constexpr int kOps = 21;  // what `watchword export` lets pass (host/watchword/export/ops.py)
constexpr int kRows = WW_MODEL_RECEPTIVE_ROWS, kCoeffs = WW_MODEL_COEFFS;

tflite::MicroMutableOpResolver<kOps> ops;
alignas(tflite::MicroInterpreter) uint8_t place[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter *interpreter;

int8_t window[kRows][kCoeffs];
uint32_t wait;  // rows until the next score

bool add_ops() {
    return ops.AddConv2D() == kTfLiteOk && ops.AddDepthwiseConv2D() == kTfLiteOk &&
           ops.AddFullyConnected() == kTfLiteOk && ops.AddAdd() == kTfLiteOk &&
           ops.AddAveragePool2D() == kTfLiteOk && ops.AddMean() == kTfLiteOk &&
           ops.AddStridedSlice() == kTfLiteOk && ops.AddSlice() == kTfLiteOk &&
           ops.AddLogistic() == kTfLiteOk && ops.AddQuantize() == kTfLiteOk &&
           ops.AddRelu() == kTfLiteOk && ops.AddRelu6() == kTfLiteOk &&
           ops.AddTanh() == kTfLiteOk && ops.AddHardSwish() == kTfLiteOk &&
           ops.AddReshape() == kTfLiteOk && ops.AddExpandDims() == kTfLiteOk &&
           ops.AddSqueeze() == kTfLiteOk && ops.AddConcatenation() == kTfLiteOk &&
           ops.AddMul() == kTfLiteOk && ops.AddSplit() == kTfLiteOk &&
           ops.AddSplitV() == kTfLiteOk;
}

ww_status start(void *arena, size_t arena_bytes) {
    const tflite::Model *graph = tflite::GetModel(ww_tflite);
    if (graph->version() != TFLITE_SCHEMA_VERSION) return WW_ERR_VERSION;
    if (interpreter == nullptr && !add_ops()) return WW_ERR_LAYER;
    interpreter = new (place)
        tflite::MicroInterpreter(graph, ops, static_cast<uint8_t *>(arena), arena_bytes);
    if (interpreter->AllocateTensors() != kTfLiteOk) return WW_ERR_ARENA;
    bool fits = interpreter->input(0)->bytes == sizeof window && interpreter->output(0)->bytes == 1;
    return fits ? WW_OK : WW_ERR_LAYER;
}

}  // namespace

extern "C" {

ww_status ww_model_init(ww_model *m, const void *image, size_t image_bytes, void *arena,
                        size_t arena_bytes) {
    // Only the model linked in has a .tflite file here.
    if (m == nullptr || arena == nullptr || image != ww_model_image) return WW_ERR_ARGUMENT;
    ww_status status = ww_model_bind(m, image, image_bytes);
    if (status == WW_OK) status = start(arena, arena_bytes);
    if (status != WW_OK) return status;
    m->arena = static_cast<uint8_t *>(arena);
    ww_model_reset(m);
    return WW_OK;
}

void ww_model_reset(ww_model *m) {
    m->rows = 0;
    wait = kRows;
}

bool ww_model_push(ww_model *m, const int8_t *row, uint8_t *score) {
    memmove(window[0], window[1], sizeof window - sizeof window[0]);
    memcpy(window[kRows - 1], row, sizeof window[0]);
    if (m->rows < UINT32_MAX) m->rows++;
    if (--wait > 0) return false;
    wait = WW_MODEL_STRIDE_ROWS;
    memcpy(interpreter->input(0)->data.int8, window, sizeof window);
    if (interpreter->Invoke() != kTfLiteOk) return false;
    *score = static_cast<uint8_t>(interpreter->output(0)->data.int8[0] + 128);
    return true;
}

size_t ww_model_arena_bytes(const ww_model *m) {
    (void)m;
    return interpreter->arena_used_bytes();
}

}  // extern "C"
