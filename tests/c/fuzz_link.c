/* Fuzzes the link: hostile bytes, hostile frames with a right CRC, and two links over a wire that
 * does what the input says. After each input the links must still hold their invariants and take
 * a new session.
 *
 *   fuzz_link [inputs] [seed]     deterministic generator (xorshift)
 * or, with clang -fsanitize=fuzzer -DFUZZ_LIBFUZZER, LLVMFuzzerTestOneInput.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cobs.h"
#include "watchword/crc32.h"
#include "watchword/link.h"
#include "ww_messages.h"

#define DEVICE_SLOTS 3
#define HOST_SLOTS 5
#define SESSION 0xfeed0001u
#define MAX_INPUT 1600

#define REQUIRE(condition)                                                  \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

typedef struct {
    ww_link host, device;
    ww_link_slot host_slots[HOST_SLOTS], device_slots[DEVICE_SLOTS];
    uint32_t now_ms;
    uint32_t delivered;
} bench;

static volatile uint8_t sink;
static uint64_t frames_delivered; /* over all inputs: shows that the fuzzer gets inside */

static void check_link(const ww_link *l) {
    const ww_link_sender *tx = &l->tx;
    uint8_t cursor = (uint8_t)(tx->cursor - tx->base), high = (uint8_t)(tx->high - tx->base);
    uint8_t next = (uint8_t)(tx->next - tx->base);
    REQUIRE(cursor <= high && high <= next && next <= l->slot_count);
    REQUIRE(tx->base_slot < l->slot_count);
    REQUIRE(l->credits <= 127);
    REQUIRE(l->decoder.length <= WW_LINK_FRAME_BYTES);
    REQUIRE(ww_link_send_room(l) <= l->slot_count);
}

/* Feed every byte; what is delivered must be sane and inside the link. */
static void feed(bench *b, ww_link *l, const uint8_t *bytes, size_t count) {
    while (count) {
        size_t used = 0;
        ww_link_frame frame;
        bool delivered = ww_link_receive(l, bytes, count, &used, &frame);
        REQUIRE(used >= 1 && used <= count);
        bytes += used;
        count -= used;
        check_link(l);
        if (!delivered) continue;
        REQUIRE(frame.length <= WW_LINK_MAX_PAYLOAD_BYTES);
        REQUIRE(frame.type != WW_MSG_ACK && (frame.type <= 2 || frame.type >= 0x10));
        for (uint16_t i = 0; i < frame.length; i++)
            sink ^= frame.payload[i]; /* ASan looks on */
        b->delivered++;
        frames_delivered++;
    }
}

/* All that is due; `flip` != 0 picks a bit of the first frame that arrives wrong. */
static void carry(bench *b, ww_link *from, ww_link *to, unsigned flip) {
    uint8_t wire[WW_LINK_WIRE_BYTES];
    for (unsigned guard = 0;; guard++) {
        REQUIRE(guard < 64); /* transmit must run dry */
        size_t count = ww_link_transmit(from, b->now_ms, wire, sizeof wire);
        REQUIRE(count <= sizeof wire);
        check_link(from);
        if (!count) return;
        if (flip) wire[flip % count] ^= (uint8_t)(1u << (flip & 7u));
        feed(b, to, wire, count);
        flip = 0;
    }
}

static void exchange(bench *b) {
    carry(b, &b->host, &b->device, 0);
    carry(b, &b->device, &b->host, 0);
}

static void setup(bench *b) {
    b->now_ms = 0xfffffff0u;
    b->delivered = 0;
    REQUIRE(ww_link_init(&b->host, WW_LINK_HOST, b->host_slots, HOST_SLOTS) == WW_OK);
    REQUIRE(ww_link_init(&b->device, WW_LINK_DEVICE, b->device_slots, DEVICE_SLOTS) == WW_OK);
    ww_link_set_credits(&b->host, 32);
    ww_link_set_credits(&b->device, 4);
}

static void connect(bench *b, uint32_t session) {
    ww_link_connect(&b->host, session);
    exchange(b);
    REQUIRE(ww_link_connected(&b->host) && ww_link_connected(&b->device));
}

/* Whatever came before: a new session opens at the first HELLO, and both directions work. */
static void recover(bench *b) {
    static const uint8_t payload[5] = {0, 1, 0, 255, 0};
    ww_link_set_credits(&b->host, 32);
    ww_link_set_credits(&b->device, 4);
    uint32_t session = b->device.session + 1;
    connect(b, session ? session : 1);
    b->delivered = 0;
    REQUIRE(ww_link_send(&b->host, WW_MSG_AUDIO, payload, sizeof payload) == WW_OK);
    REQUIRE(ww_link_send(&b->device, WW_MSG_SCORES, payload, sizeof payload) == WW_OK);
    exchange(b);
    exchange(b);
    REQUIRE(b->delivered == 2);
    REQUIRE(!ww_link_pending(&b->host) && !ww_link_pending(&b->device));
}

/* The input as header and payload of a frame whose CRC is right. */
static void feed_as_frame(bench *b, ww_link *l, const uint8_t *data, size_t size) {
    uint8_t wire[MAX_INPUT + MAX_INPUT / 254 + 16], crc_bytes[4];
    bool handshake = size && (data[0] == WW_MSG_HELLO || data[0] == WW_MSG_WELCOME);
    ww_put_le(crc_bytes, ww_crc32(handshake ? 0 : l->session, data, size), 4);
    ww_cobs_encoder e;
    ww_cobs_begin(&e, wire);
    ww_cobs_put(&e, data, size);
    ww_cobs_put(&e, crc_bytes, sizeof crc_bytes);
    feed(b, l, wire, ww_cobs_end(&e));
}

/* One step of a script; `value` is its operand. */
static void act(bench *b, uint8_t op, uint8_t value, const uint8_t *rest, size_t left) {
    ww_link *host = &b->host, *device = &b->device;
    size_t length = value < left ? value : left;
    ww_status status = WW_OK;
    switch (op & 15u) {
        case 0:
        case 1:
            status = ww_link_send(host, (uint8_t)(0x10 + value), rest, length);
            break;
        case 2:
        case 3:
            status = ww_link_send(device, (uint8_t)(0x10 + value), rest, length);
            break;
        case 4:
            carry(b, host, device, 0);
            break;
        case 5:
            carry(b, device, host, 0);
            break;
        case 6:
            carry(b, host, device, value);
            break;
        case 7:
            carry(b, device, host, value);
            break;
        case 8:
            b->now_ms += value;
            break;
        case 9:
            b->now_ms += value * 256u;
            break;
        case 10:
            ww_link_set_credits(device, value);
            break;
        case 11:
            ww_link_set_credits(host, value);
            break;
        case 12:
            feed(b, device, rest, length);
            break;
        case 13:
            feed(b, host, rest, length);
            break;
        case 14:
            feed_as_frame(b, value & 1u ? host : device, rest, length);
            break;
        default:
            value & 1u ? ww_link_connect(host, value) : ww_link_close(device);
            break;
    }
    REQUIRE(status == WW_OK || status == WW_ERR_BUSY || status == WW_ERR_ARGUMENT);
    check_link(host);
    check_link(device);
}

static void run_script(bench *b, const uint8_t *data, size_t size) {
    for (size_t i = 0; i + 1 < size; i += 2)
        act(b, data[i], data[i + 1], data + i + 2, size - i - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bench b;
    if (size < 1 || size > MAX_INPUT) return 0;
    uint8_t mode = data[0];
    setup(&b);
    if (mode & 8u) connect(&b, SESSION);
    ww_link *target = mode & 4u ? &b.host : &b.device;
    switch (mode & 3u) {
        case 0:
            feed(&b, target, data + 1, size - 1);
            break;
        case 1:
            feed_as_frame(&b, target, data + 1, size - 1);
            break;
        default:
            run_script(&b, data + 1, size - 1);
            break;
    }
    recover(&b);
    return 0;
}

#ifndef FUZZ_LIBFUZZER
static uint64_t random_state;

static uint32_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static void random_bytes(uint8_t *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)random_bits();
}

/* A wire image of valid frames, then damaged: what random bytes alone would never reach. */
static size_t damaged_frames(uint8_t *out, size_t capacity) {
    size_t used = 0;
    uint8_t body[700], crc_bytes[4];
    for (unsigned n = 1 + random_bits() % 3; n; n--) {
        size_t length = 4 + (random_bits() % 16 ? random_bits() % 24 : random_bits() % 690);
        if (used + length + 16 > capacity) break;
        random_bytes(body, length);
        static const uint8_t types[] = {0, 0, 1, 2, 0x12, 0x22};
        body[0] = types[random_bits() % sizeof types];
        body[1] &= body[0] ? 3u : 0xffu; /* near the numbers that are expected */
        body[2] &= 3u;
        bool handshake = body[0] == WW_MSG_HELLO || body[0] == WW_MSG_WELCOME;
        ww_put_le(crc_bytes, ww_crc32(handshake ? 0 : SESSION, body, length), 4);
        ww_cobs_encoder e;
        ww_cobs_begin(&e, out + used);
        ww_cobs_put(&e, body, length);
        ww_cobs_put(&e, crc_bytes, sizeof crc_bytes);
        used += ww_cobs_end(&e);
    }
    for (unsigned n = random_bits() % 3; n; n--)
        out[random_bits() % used] = (uint8_t)random_bits();
    if (random_bits() % 8 == 0) used -= random_bits() % used;
    return used;
}

static size_t random_input(uint8_t *out) {
    uint32_t kind = random_bits() % 4;
    out[0] = (uint8_t)random_bits();
    if (kind == 0) { /* valid frames, damaged, to an open link */
        out[0] = (uint8_t)(8u | (out[0] & 4u));
        return 1 + damaged_frames(out + 1, MAX_INPUT - 1);
    }
    size_t size = 1 + (random_bits() % 32 ? random_bits() % 48 : random_bits() % (MAX_INPUT - 1));
    random_bytes(out + 1, size - 1);
    if (kind == 1 && size > 3) { /* a frame with a right CRC and a likely header */
        out[0] = (uint8_t)(9u | (out[0] & 4u));
        out[1] = (uint8_t)(random_bits() % 4 ? out[1] & 0x13u : out[1]);
        out[3] &= 3u;
    }
    return size;
}

int main(int argc, char **argv) {
    long inputs = argc > 1 ? atol(argv[1]) : 1000000;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    random_state = random_state * 0x9e3779b97f4a7c15u + 1;
    static uint8_t input[MAX_INPUT];
    for (long i = 0; i < inputs; i++)
        LLVMFuzzerTestOneInput(input, random_input(input));
    printf("%ld inputs, %llu frames delivered\n", inputs, (unsigned long long)frames_delivered);
    return 0;
}
#endif
