/* ESP32-C3-DevKitM-1. Data only. */
#define PIN_BOARD_NAME "esp32-c3-devkitm-1"

#define PIN_UART_TX 21 /* to the USB bridge */
#define PIN_UART_RX 20

#define PIN_MICROPHONE_BIT_CLOCK 4
#define PIN_MICROPHONE_WORD_SELECT 5
#define PIN_MICROPHONE_DATA 6
#define PIN_MICROPHONE_GAIN_Q8 4096

#define PIN_LED 8
#define PIN_LED_IS_ADDRESSABLE 1
