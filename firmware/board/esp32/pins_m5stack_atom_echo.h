/* M5Stack Atom Echo (ESP32-PICO-D4): its SPM1423 microphone is on the board. Data only. */
#define BOARD_NAME "m5stack-atom-echo"

#define BOARD_PIN_UART_TX 1 /* to the USB bridge */
#define BOARD_PIN_UART_RX 3

#define BOARD_PIN_MICROPHONE_IS_PDM 1
#define BOARD_PIN_MICROPHONE_IS_RIGHT 1
#define BOARD_PIN_MICROPHONE_BIT_CLOCK 33 /* shared with the loudspeaker, which is not used */
#define BOARD_PIN_MICROPHONE_DATA 23
#define BOARD_PIN_MICROPHONE_GAIN_Q8 4096

#define BOARD_PIN_LED 27
#define BOARD_PIN_LED_IS_ADDRESSABLE 1
