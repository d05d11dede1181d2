/* ESP32 DevKitC and its many copies ("ESP32 Dev Module"). Data only. */
#define PIN_BOARD_NAME "esp32dev"

#define PIN_UART_TX 1 /* to the USB bridge */
#define PIN_UART_RX 3

#define PIN_MICROPHONE_BIT_CLOCK 26   /* SCK; of a PDM microphone: CLK */
#define PIN_MICROPHONE_WORD_SELECT 25 /* WS; PDM: not connected */
#define PIN_MICROPHONE_DATA 33        /* SD; PDM: DAT */
#define PIN_MICROPHONE_GAIN_Q8 4096   /* 24 dB: an INMP441 gives -26 dBFS at 94 dB SPL */

#define PIN_LED 2 /* blue, where there is one */
#define PIN_LED_IS_ADDRESSABLE 0
