/* What ESPHome's streaming_model.cpp needs of ESPHome and of TFLite Micro, for a PC: its
 * interpreter gives the scores of a list. */
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#define ESP_LOGCONFIG(...)
#define ESP_LOGD(...)
#define ESP_LOGE(...)
#define ESP_LOGW(...)

extern std::vector<uint8_t> fake_scores;
extern size_t fake_calls;
extern int fake_stride;

enum TfLiteStatus { kTfLiteOk, kTfLiteError };
enum { kTfLiteInt8, kTfLiteUInt8 };
enum { TFLITE_SCHEMA_VERSION = 3 };

struct TfLiteIntArray {
    int size;
    int data[4];
};

struct TfLiteTensor {
    TfLiteIntArray *dims;
    int type;
    struct {
        uint8_t *uint8;
    } data;
};

namespace tflite {

struct Model {
    int version() const { return TFLITE_SCHEMA_VERSION; }
};
inline const Model *GetModel(const void *bytes) {
    return static_cast<const Model *>(bytes);
}
template <typename T>
T *GetTensorData(TfLiteTensor *tensor) {
    return reinterpret_cast<T *>(tensor->data.uint8);
}

struct MicroAllocator {
    static MicroAllocator *Create(uint8_t *, size_t) { return nullptr; }
};
struct MicroResourceVariables {
    static MicroResourceVariables *Create(MicroAllocator *, int) { return nullptr; }
};

template <int N>
struct MicroMutableOpResolver {
#define OP(name)               \
    TfLiteStatus Add##name() { \
        return kTfLiteOk;      \
    }
    OP(CallOnce)
    OP(VarHandle)
    OP(Reshape)
    OP(ReadVariable)
    OP(StridedSlice)
    OP(Concatenation)
    OP(AssignVariable)
    OP(Conv2D)
    OP(Mul)
    OP(Add)
    OP(Mean)
    OP(FullyConnected)
    OP(Logistic)
    OP(Quantize)
    OP(DepthwiseConv2D)
    OP(AveragePool2D)
    OP(MaxPool2D)
    OP(Pad)
    OP(Pack)
    OP(SplitV)
#undef OP
};

class MicroInterpreter {
public:
    template <typename Resolver>
    MicroInterpreter(const Model *, const Resolver &, uint8_t *, size_t, MicroResourceVariables *)
        : rows_(3 * 40 * 16), in_dims_{3, {1, fake_stride, 40, 0}}, out_dims_{2, {1, 1, 0, 0}} {
        in_ = {&in_dims_, kTfLiteInt8, {rows_.data()}};
        out_ = {&out_dims_, kTfLiteUInt8, {&score_}};
    }
    TfLiteStatus AllocateTensors() { return kTfLiteOk; }
    size_t arena_used_bytes() const { return 1024; }
    TfLiteTensor *input(int) { return &in_; }
    TfLiteTensor *output(int) { return &out_; }
    TfLiteStatus Invoke() {
        score_ = fake_scores.at(fake_calls++);
        return kTfLiteOk;
    }

private:
    std::vector<uint8_t> rows_;
    TfLiteIntArray in_dims_, out_dims_;
    TfLiteTensor in_, out_;
    uint8_t score_ = 0;
};

}  // namespace tflite

namespace esphome {

using std::make_unique;

template <typename T>
struct RAMAllocator {
    enum Flags { NONE };
    RAMAllocator(Flags = NONE) {}
    T *allocate(size_t count) { return static_cast<T *>(malloc(count)); }
    T *reallocate(T *pointer, size_t count) { return static_cast<T *>(realloc(pointer, count)); }
    void deallocate(T *pointer, size_t) { free(pointer); }
};

struct ESPPreferenceObject {
    template <typename T>
    bool load(T *) {
        return false;
    }
    template <typename T>
    bool save(const T *) {
        return true;
    }
};
struct ESPPreferences {
    template <typename T>
    ESPPreferenceObject make_preference(uint32_t) {
        return {};
    }
};
inline ESPPreferences preferences;
inline ESPPreferences *global_preferences = &preferences;
inline uint32_t fnv1_hash(const std::string &) {
    return 0;
}

}  // namespace esphome
