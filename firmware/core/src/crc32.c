#include "watchword/crc32.h"

/* CRC of each nibble. A 256-entry table would be twice as fast and cost 1 KiB of flash. */
static const uint32_t nibble_crc[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
    0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
    0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t ww_crc32(uint32_t crc_so_far, const void *data, size_t bytes) {
    const uint8_t *p = data;
    uint32_t crc = ~crc_so_far;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ nibble_crc[crc & 15u];
        crc = (crc >> 4) ^ nibble_crc[crc & 15u];
    }
    return ~crc;
}
