/* board.h on QEMU's `virt` machine: an ESP32-C3-class core (rv32imc) without radio or microphone.
 * The link is the virtio-console when one is plugged in, else the 16550.
 */
#include "board.h"

#include "machine.h"
#include "virtio_console.h"

#define TEST_DEVICE 0x00100000u /* sifive_test: ends the emulator */
#define TEST_PASS 0x5555u
#define TEST_FAIL 0x3333u
#define TIMER_LOW 0x0200bff8u /* mtime, 10 MHz of virtual time */
#define TIMER_HIGH 0x0200bffcu
#define TIMER_TICKS_PER_MS 10000u
#define PLIC_PRIORITY 0x0c000000u
#define PLIC_ENABLE 0x0c002000u
#define PLIC_THRESHOLD 0x0c200000u
#define PLIC_CLAIM 0x0c200004u
#define MIE_EXTERNAL (1u << 11)

#define READ_CSR(name, value)                                                             \
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, " name "\n.option pop" \
                     : "=r"(value)::"memory")
#define SET_CSR(name, bits)                                           \
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrs " name \
                     ", %0\n.option pop" ::"r"(bits)                  \
                     : "memory")

static bool on_virtio;

static void enable_wakeup(uint32_t irq) {
    io_write32(PLIC_PRIORITY + 4 * irq, 1);
    io_write32(PLIC_ENABLE, 1u << irq);
    io_write32(PLIC_THRESHOLD, 0);
    SET_CSR("mie", MIE_EXTERNAL); /* mstatus.MIE stays 0: wfi wakes, nothing is ever taken */
}

void board_init(void) {
    uint32_t irq = UART_IRQ;
    uart_init();
    on_virtio = virtio_console_init(&irq);
    enable_wakeup(irq);
}

const char *board_name(void) {
    return "emu-c3";
}

uint32_t board_core_hz(void) {
    return 160000000u; /* of an ESP32-C3 */
}

uint32_t board_time_ms(void) {
    uint32_t high, low;
    do {
        high = io_read32(TIMER_HIGH);
        low = io_read32(TIMER_LOW);
    } while (high != io_read32(TIMER_HIGH));
    return (uint32_t)((((uint64_t)high << 32) | low) / TIMER_TICKS_PER_MS);
}

uint32_t board_counter(void) {
    uint32_t instructions;
    READ_CSR("minstret", instructions);
    return instructions;
}

size_t board_link_read(uint8_t *bytes, size_t capacity) {
    return on_virtio ? virtio_console_read(bytes, capacity) : uart_read(bytes, capacity);
}

size_t board_link_write(const uint8_t *bytes, size_t count) {
    return on_virtio ? virtio_console_write(bytes, count) : uart_write(bytes, count);
}

/* A spinning guest would take a whole core from the host that feeds it. Interrupts that arrived
 * before the last look at the link are drained first, so that a wfi cannot miss a later one. */
void board_idle(void) {
    if (on_virtio) virtio_console_acknowledge();
    for (uint32_t irq; (irq = io_read32(PLIC_CLAIM)) != 0;)
        io_write32(PLIC_CLAIM, irq);
    if (on_virtio ? virtio_console_readable() : uart_readable()) return;
    __asm__ volatile("wfi" ::: "memory");
}

void emu_exit(uint32_t status) {
    io_write32(TEST_DEVICE, status == 0 ? TEST_PASS : (status << 16) | TEST_FAIL);
    for (;;) {
    }
}
