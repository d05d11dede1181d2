#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "esphome/components/microphone/microphone_source.h"
#include "esphome/core/automation.h"
#include "esphome/core/component.h"
#include "esphome/core/helpers.h"
#include "esphome/core/preferences.h"
#include "sample_ring.h"
#include "watchword.h"

#ifdef USE_ESP32
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
#endif

namespace esphome::watchword_ {

class Watchword;

/// One word: its model's image, and what entities and automations change of it.
class Model {
public:
    Model(const char *id, const uint8_t *image, size_t image_bytes)
        : id_(id), image_(image), image_bytes_(image_bytes) {}

    void set_start_preset(watchword_preset preset) {
        this->start_preset_ = preset;
        this->has_start_preset_ = true;
    }

    void set_start_sensitivity(float percent) { this->start_sensitivity_ = percent; }

    void enable() { this->set_enabled(true); }
    void disable() { this->set_enabled(false); }
    void set_enabled(bool enabled);
    bool is_enabled() const { return this->settings_.enabled; }

    /// How little evidence is enough, in per cent: 100 less the detector's threshold.
    float get_sensitivity() const;
    bool set_sensitivity(float percent);
    /// One of the model's presets by its number; WW_NO_PRESET: the settings are none of them.
    uint8_t get_preset() const;
    bool use_preset(uint8_t preset);

    const char *get_id() const { return this->id_; }
    const char *get_wake_word() const;
    float get_score() const;

    /// Called when one of the settings above has changed, whoever changed it.
    template <typename F>
    void add_on_change_callback(F &&callback) {
        this->changed_.add(std::forward<F>(callback));
    }

protected:
    friend class Watchword;

    struct Settings {
        uint32_t image_crc;        // of the image they belong to: another one starts with its own
        ww_detector_config start;  // the detector as configured: after a change of that, the same
        ww_detector_config detector;
        bool enabled;
    };

    ww_status open(Watchword *parent, unsigned word);
    const ww_model_header *header_() const {
        return reinterpret_cast<const ww_model_header *>(this->image_);
    }
    void restore_();
    ww_detector_config with_sensitivity_(float percent) const;
    ww_status start_settings_();
    ww_status change_(const std::function<ww_status()> &change);
    bool report_(ww_status status);

    const char *id_;
    const uint8_t *image_;
    size_t image_bytes_;
    Watchword *parent_{nullptr};
    unsigned word_{0};
    bool open_{false};  // the image was taken; until then nothing in it is read
    watchword_preset start_preset_{WATCHWORD_NORMAL};
    bool has_start_preset_{false};
    float start_sensitivity_{NAN};
    Settings settings_{};
    ESPPreferenceObject saved_;
    CallbackManager<void()> changed_{};
};

/// Audio from a microphone to detections. The microphone's callback only fills a ring; a task of
/// its own (on other platforms than the ESP32: loop()) runs watchword.h on it; loop() tells what
/// was heard.
class Watchword : public Component {
public:
    void setup() override;
    void loop() override;
    void dump_config() override;
    float get_setup_priority() const override { return setup_priority::AFTER_CONNECTION; }

    void set_microphone_source(microphone::MicrophoneSource *source) { this->source_ = source; }
    void set_memory(uint32_t *memory, size_t bytes) {
        this->memory_ = memory;
        this->memory_bytes_ = bytes;
    }
    void add_model(Model *model) { this->models_.push_back(model); }
    void set_stop_after_detection(bool stop) { this->stop_after_detection_ = stop; }
    void set_start_on_boot(bool start) { this->start_on_boot_ = start; }
    /// wake word, score 0..1, seconds of audio since the start
    Trigger<std::string, float, double> *get_detected_trigger() { return &this->detected_; }

    void start();
    void stop();
    bool is_running() const { return this->running_.load(); }

protected:
    friend class Model;

    /// The longest that a change of settings waits for the listening task: 10 ms of audio at a
    /// time.
    static constexpr size_t SAMPLES_AT_ONCE = WATCHWORD_RATE_HZ / 100;
    static constexpr size_t EVENTS = 8;

    bool listen_();
    void hear_(const int16_t *samples, size_t count);
    void tell_(const watchword_event &event);
    void report_losses_();
    void check_speed_() const;

    microphone::MicrophoneSource *source_{nullptr};
    uint32_t *memory_{nullptr};
    size_t memory_bytes_{0};
    std::vector<Model *> models_;
    bool stop_after_detection_{false};
    bool start_on_boot_{true};
    Trigger<std::string, float, double> detected_;

    SampleRing ring_;
    std::atomic<bool> running_{false};
    Mutex mutex_;  // for everything below, which the listening task and loop() share
    ::watchword ears_;
    watchword_event events_[EVENTS];
    size_t event_count_{0};
    uint32_t events_lost_{0};

#ifdef USE_ESP32
    static constexpr size_t STACK_BYTES = 6144;  // the front end takes half of it
    static constexpr UBaseType_t PRIORITY = 3;   // below the microphone's and the network's tasks
    static constexpr uint32_t PAUSE_MS = 20;
    static void task(void *component);
    StackType_t stack_[STACK_BYTES / sizeof(StackType_t)];
    StaticTask_t task_memory_;
    TaskHandle_t task_{nullptr};
#endif
};

}  // namespace esphome::watchword_
