#pragma once

#include "../watchword_component.h"
#include "esphome/components/number/number.h"

namespace esphome::watchword_ {

class SensitivityNumber : public number::Number, public Component, public Parented<Model> {
public:
    void setup() override {
        this->parent_->add_on_change_callback(
            [this]() { this->publish_state(this->parent_->get_sensitivity()); });
        this->publish_state(this->parent_->get_sensitivity());
    }
    float get_setup_priority() const override { return setup_priority::LATE; }

protected:
    void control(float value) override { this->parent_->set_sensitivity(value); }
};

}  // namespace esphome::watchword_
