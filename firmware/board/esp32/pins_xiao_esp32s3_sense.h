/* Seeed Studio XIAO ESP32S3 Sense: its PDM microphone is on the expansion board. Data only. */
#define BOARD_NAME "xiao-esp32s3-sense"

#define BOARD_PIN_UART_TX 43 /* D6 and D7; the link is the chip's own USB port */
#define BOARD_PIN_UART_RX 44

#define BOARD_PIN_MICROPHONE_IS_PDM 1
#define BOARD_PIN_MICROPHONE_BIT_CLOCK 42
#define BOARD_PIN_MICROPHONE_DATA 41
#define BOARD_PIN_MICROPHONE_GAIN_Q8 4096

#define BOARD_PIN_LED 21 /* the yellow one beside the USB socket */
#define BOARD_PIN_LED_IS_ADDRESSABLE 0
#define BOARD_PIN_LED_IS_ACTIVE_LOW 1
