/* ESP32 DevKitC and its many copies ("ESP32 Dev Module"). Data only. */
#define BOARD_NAME "esp32dev"

#define BOARD_PIN_UART_TX 1 /* to the USB bridge */
#define BOARD_PIN_UART_RX 3

#define BOARD_PIN_MICROPHONE_BIT_CLOCK 26
#define BOARD_PIN_MICROPHONE_WORD_SELECT 25
#define BOARD_PIN_MICROPHONE_DATA 33
#define BOARD_PIN_MICROPHONE_GAIN_Q8 4096 /* 24 dB: an INMP441 gives -26 dBFS at 94 dB SPL */

#define BOARD_PIN_LED 2 /* blue, where there is one */
#define BOARD_PIN_LED_IS_ADDRESSABLE 0
