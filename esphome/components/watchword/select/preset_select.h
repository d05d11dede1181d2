#pragma once

#include "../watchword_component.h"
#include "esphome/components/select/select.h"

namespace esphome::watchword_ {

/// Options: the model's presets by their numbers, then one for settings that are none of them.
class PresetSelect : public select::Select, public Component, public Parented<Model> {
public:
    void setup() override {
        this->parent_->add_on_change_callback([this]() { this->publish_(); });
        this->publish_();
    }
    float get_setup_priority() const override { return setup_priority::LATE; }

protected:
    void control(size_t index) override {
        if (index < this->size() - 1) {
            this->parent_->use_preset(index);
        } else {
            this->publish_();  // no settings belong to it
        }
    }
    void publish_() {
        const size_t preset = this->parent_->get_preset();
        this->publish_state(preset == WW_NO_PRESET ? this->size() - 1 : preset);
    }
};

}  // namespace esphome::watchword_
