/* ESP32-S3-DevKitC-1. Data only. */
#define BOARD_NAME "esp32-s3-devkitc-1"

#define BOARD_PIN_UART_TX 43 /* the connector marked UART */
#define BOARD_PIN_UART_RX 44

#define BOARD_PIN_MICROPHONE_BIT_CLOCK 4
#define BOARD_PIN_MICROPHONE_WORD_SELECT 5
#define BOARD_PIN_MICROPHONE_DATA 6
#define BOARD_PIN_MICROPHONE_GAIN_Q8 4096

#define BOARD_PIN_LED 38 /* board version 1.1; 48 on version 1.0 */
#define BOARD_PIN_LED_IS_ADDRESSABLE 1
