/* A small virtio-console driver over virtio-mmio (VIRTIO 1.1: 2.6 split queues, 4.2 MMIO, 5.3
 * console), without multiport: queue 0 receives, queue 1 transmits. Descriptor i always points at
 * buffer i, so descriptors are written once and only the rings move.
 */
#include "virtio_console.h"

#include <string.h>

#include "machine.h"

#define MMIO_BASE 0x10001000u
#define MMIO_STRIDE 0x1000u
#define MMIO_SLOTS 8u

enum { /* register offsets, 4.2.2 */
       MAGIC = 0x000,
       VERSION = 0x004,
       DEVICE_ID = 0x008,
       DEVICE_FEATURES = 0x010,
       DEVICE_FEATURES_SELECT = 0x014,
       DRIVER_FEATURES = 0x020,
       DRIVER_FEATURES_SELECT = 0x024,
       QUEUE_SELECT = 0x030,
       QUEUE_SIZE_MAX = 0x034,
       QUEUE_SIZE = 0x038,
       QUEUE_READY = 0x044,
       QUEUE_NOTIFY = 0x050,
       INTERRUPT_STATUS = 0x060,
       INTERRUPT_ACK = 0x064,
       STATUS = 0x070,
       QUEUE_DESCRIPTORS = 0x080, /* each address: low word, then high word */
       QUEUE_AVAILABLE = 0x090,
       QUEUE_USED = 0x0a0
};
#define MAGIC_VALUE 0x74726976u
#define MMIO_VERSION 2u
#define CONSOLE_DEVICE 3u
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };
#define FEATURE_VERSION_1_HIGH 1u /* bit 32 */
enum { DESCRIPTOR_DEVICE_WRITES = 2, AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { RECEIVE = 0, TRANSMIT = 1 };

#define QUEUE_ENTRIES 8u /* a power of two */
#define BUFFER_BYTES 1024u

typedef struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
} descriptor;

typedef struct {
    _Alignas(16) descriptor descriptors[QUEUE_ENTRIES];
    _Alignas(2) struct { uint16_t flags, index, ring[QUEUE_ENTRIES]; } available;
    _Alignas(4) volatile struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } ring[QUEUE_ENTRIES];
    } used;
    uint16_t used_seen; /* entries of `used` already handled */
    uint8_t buffers[QUEUE_ENTRIES][BUFFER_BYTES];
} queue;

static queue queues[2];
static uintptr_t device;   /* register base */
static size_t read_offset; /* bytes taken of the oldest received buffer */

static void barrier(void) {
    __asm__ volatile("fence" ::: "memory");
}

static uintptr_t find_console(uint32_t *irq) {
    for (uint32_t slot = 0; slot < MMIO_SLOTS; slot++) {
        uintptr_t base = MMIO_BASE + slot * MMIO_STRIDE;
        if (io_read32(base + MAGIC) == MAGIC_VALUE && io_read32(base + VERSION) == MMIO_VERSION &&
            io_read32(base + DEVICE_ID) == CONSOLE_DEVICE) {
            *irq = VIRTIO_FIRST_IRQ + slot;
            return base;
        }
    }
    return 0;
}

static void write_address(unsigned offset, const volatile void *pointer) {
    io_write32(device + offset, (uint32_t)(uintptr_t)pointer);
    io_write32(device + offset + 4, 0);
}

static bool negotiate(void) {
    io_write32(device + STATUS, 0); /* reset */
    io_write32(device + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    io_write32(device + DRIVER_FEATURES_SELECT, 0);
    io_write32(device + DRIVER_FEATURES, 0);
    io_write32(device + DRIVER_FEATURES_SELECT, 1);
    io_write32(device + DRIVER_FEATURES, FEATURE_VERSION_1_HIGH);
    io_write32(device + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    return (io_read32(device + STATUS) & STATUS_FEATURES_OK) != 0;
}

static bool setup_queue(uint32_t index, uint16_t descriptor_flags, uint16_t available_flags) {
    queue *q = &queues[index];
    io_write32(device + QUEUE_SELECT, index);
    if (io_read32(device + QUEUE_SIZE_MAX) < QUEUE_ENTRIES) return false;
    for (uint16_t i = 0; i < QUEUE_ENTRIES; i++) {
        q->descriptors[i] =
            (descriptor){(uintptr_t)q->buffers[i], BUFFER_BYTES, descriptor_flags, 0};
    }
    q->available.flags = available_flags;
    io_write32(device + QUEUE_SIZE, QUEUE_ENTRIES);
    write_address(QUEUE_DESCRIPTORS, q->descriptors);
    write_address(QUEUE_AVAILABLE, &q->available);
    write_address(QUEUE_USED, &q->used);
    barrier();
    io_write32(device + QUEUE_READY, 1);
    return true;
}

/* Hand descriptor `id` to the device. */
static void offer(uint32_t index, uint16_t id) {
    queue *q = &queues[index];
    q->available.ring[q->available.index % QUEUE_ENTRIES] = id;
    barrier(); /* the entry before the index that publishes it */
    q->available.index++;
    barrier(); /* the index before looking at the device's flags */
}

static void notify(uint32_t index) {
    if (!(queues[index].used.flags & USED_NO_NOTIFY)) io_write32(device + QUEUE_NOTIFY, index);
}

bool virtio_console_init(uint32_t *irq) {
    device = find_console(irq);
    if (device == 0 || !negotiate()) return false;
    if (!setup_queue(RECEIVE, DESCRIPTOR_DEVICE_WRITES, 0)) return false;
    if (!setup_queue(TRANSMIT, 0, AVAILABLE_NO_INTERRUPT)) return false;
    io_write32(device + STATUS,
               STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    for (uint16_t i = 0; i < QUEUE_ENTRIES; i++)
        offer(RECEIVE, i);
    notify(RECEIVE);
    return true;
}

bool virtio_console_readable(void) {
    return queues[RECEIVE].used_seen != queues[RECEIVE].used.index;
}

static size_t take_from(queue *q, uint8_t *bytes, size_t capacity, bool *emptied) {
    uint16_t entry = q->used_seen % QUEUE_ENTRIES;
    uint32_t id = q->used.ring[entry].id % QUEUE_ENTRIES;
    size_t length = q->used.ring[entry].length;
    if (length > BUFFER_BYTES) length = BUFFER_BYTES;
    size_t count = length - read_offset;
    if (count > capacity) count = capacity;
    memcpy(bytes, q->buffers[id] + read_offset, count);
    read_offset += count;
    *emptied = read_offset == length;
    return count;
}

size_t virtio_console_read(uint8_t *bytes, size_t capacity) {
    queue *q = &queues[RECEIVE];
    size_t n = 0;
    bool refilled = false;
    while (n < capacity && virtio_console_readable()) {
        barrier(); /* the index before the entry it publishes */
        bool emptied;
        uint16_t id = (uint16_t)(q->used.ring[q->used_seen % QUEUE_ENTRIES].id % QUEUE_ENTRIES);
        n += take_from(q, bytes + n, capacity - n, &emptied);
        if (!emptied) break;
        read_offset = 0;
        q->used_seen++;
        offer(RECEIVE, id);
        refilled = true;
    }
    if (refilled) notify(RECEIVE);
    return n;
}

size_t virtio_console_write(const uint8_t *bytes, size_t count) {
    queue *q = &queues[TRANSMIT];
    size_t n = 0;
    /* The device completes transmissions in order, so the next buffer of the ring is the oldest:
     * it is free once fewer than all of them are in flight. */
    while (n < count && (uint16_t)(q->available.index - q->used.index) < QUEUE_ENTRIES) {
        uint16_t id = q->available.index % QUEUE_ENTRIES;
        size_t part = count - n < BUFFER_BYTES ? count - n : BUFFER_BYTES;
        memcpy(q->buffers[id], bytes + n, part);
        q->descriptors[id].length = (uint32_t)part;
        offer(TRANSMIT, id);
        n += part;
    }
    if (n > 0) notify(TRANSMIT);
    return n;
}

void virtio_console_acknowledge(void) {
    io_write32(device + INTERRUPT_ACK, io_read32(device + INTERRUPT_STATUS));
}
