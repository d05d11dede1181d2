#pragma once

#include <cmath>

#include "../watchword_component.h"
#include "esphome/components/number/number.h"

namespace esphome::watchword_ {

class SensitivityNumber : public number::Number, public Component, public Parented<Model> {
public:
    void setup() override {
        this->parent_->add_on_change_callback([this]() { this->publish_(); });
        this->publish_();
    }
    float get_setup_priority() const override { return setup_priority::LATE; }

protected:
    /// As the step has it: what is in force may lie between two steps.
    void publish_() {
        const float step = this->traits.get_step();
        this->publish_state(std::round(this->parent_->get_sensitivity() / step) * step);
    }
    void control(float value) override { this->parent_->set_sensitivity(value); }
};

}  // namespace esphome::watchword_
