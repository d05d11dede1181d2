/* The pins of the board this chip is usually on; another board with the same chip: edit its file.
 */
#ifndef WATCHWORD_PINS_H
#define WATCHWORD_PINS_H

#include "sdkconfig.h"

#if CONFIG_IDF_TARGET_ESP32
#include "pins_esp32dev.h"
#elif CONFIG_IDF_TARGET_ESP32S3
#include "pins_esp32s3.h"
#elif CONFIG_IDF_TARGET_ESP32C3
#include "pins_esp32c3.h"
#else
#error "no pins for this chip: write a pins_<chip>.h like the others"
#endif

/* Define as 1 for a PDM microphone; an I2S one (INMP441, ICS-43434, SPH0645) otherwise. */
#ifndef PIN_MICROPHONE_IS_PDM
#define PIN_MICROPHONE_IS_PDM 0
#endif

#endif
