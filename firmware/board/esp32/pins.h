/* The pins of the board: those of a file that holds nothing else, chosen by the build flag
 * WATCHWORD_PINS, or else of the board this chip is usually on. Every one can be overridden by a
 * build flag of its own, such as -DPIN_LED=48.
 */
#ifndef WATCHWORD_PINS_H
#define WATCHWORD_PINS_H

#include "sdkconfig.h"

#define PINS_QUOTED(name) #name
#define PINS_FILE(name) PINS_QUOTED(name)

#if defined(WATCHWORD_PINS)
#include PINS_FILE(WATCHWORD_PINS)
#elif CONFIG_IDF_TARGET_ESP32
#include "pins_esp32dev.h"
#elif CONFIG_IDF_TARGET_ESP32S3
#include "pins_esp32s3.h"
#elif CONFIG_IDF_TARGET_ESP32C3
#include "pins_esp32c3.h"
#elif CONFIG_IDF_TARGET_ESP32C6
#include "pins_esp32c6.h"
#else
#error "no pins for this chip: write a pins_<board>.h like the others and name it in WATCHWORD_PINS"
#endif

/* ── The link: the UART that the board's USB bridge is on ──────────────────────────────────── */
#ifndef PIN_UART_TX
#define PIN_UART_TX BOARD_PIN_UART_TX
#endif
#ifndef PIN_UART_RX
#define PIN_UART_RX BOARD_PIN_UART_RX
#endif

/* ── The microphone ────────────────────────────────────────────────────────────────────────── */
#ifndef PIN_MICROPHONE_IS_PDM /* 1: PDM; else I2S with 24 bits in 32, such as INMP441 and \
                                 ICS-43434 */
#ifdef BOARD_PIN_MICROPHONE_IS_PDM
#define PIN_MICROPHONE_IS_PDM BOARD_PIN_MICROPHONE_IS_PDM
#else
#define PIN_MICROPHONE_IS_PDM 0
#endif
#endif
#ifndef PIN_MICROPHONE_IS_RIGHT /* 1: its L/R (SEL) pin is high */
#ifdef BOARD_PIN_MICROPHONE_IS_RIGHT
#define PIN_MICROPHONE_IS_RIGHT BOARD_PIN_MICROPHONE_IS_RIGHT
#else
#define PIN_MICROPHONE_IS_RIGHT 0
#endif
#endif
#ifndef PIN_MICROPHONE_BIT_CLOCK /* SCK, BCLK; of a PDM microphone: CLK */
#define PIN_MICROPHONE_BIT_CLOCK BOARD_PIN_MICROPHONE_BIT_CLOCK
#endif
#ifndef PIN_MICROPHONE_WORD_SELECT /* WS, LRCL; PDM: none */
#define PIN_MICROPHONE_WORD_SELECT BOARD_PIN_MICROPHONE_WORD_SELECT
#endif
#ifndef PIN_MICROPHONE_DATA /* SD, DOUT; PDM: DAT */
#define PIN_MICROPHONE_DATA BOARD_PIN_MICROPHONE_DATA
#endif
#ifndef PIN_MICROPHONE_GAIN_Q8 /* in 1/256, until another is saved */
#define PIN_MICROPHONE_GAIN_Q8 BOARD_PIN_MICROPHONE_GAIN_Q8
#endif

/* ── The LED ───────────────────────────────────────────────────────────────────────────────── */
#ifndef PIN_LED
#define PIN_LED BOARD_PIN_LED
#endif
#ifndef PIN_LED_IS_ADDRESSABLE /* 1: WS2812, SK6812 */
#define PIN_LED_IS_ADDRESSABLE BOARD_PIN_LED_IS_ADDRESSABLE
#endif
#ifndef PIN_LED_IS_ACTIVE_LOW /* 1: a plain one that is lit while its pin is low */
#ifdef BOARD_PIN_LED_IS_ACTIVE_LOW
#define PIN_LED_IS_ACTIVE_LOW BOARD_PIN_LED_IS_ACTIVE_LOW
#else
#define PIN_LED_IS_ACTIVE_LOW 0
#endif
#endif

#endif
