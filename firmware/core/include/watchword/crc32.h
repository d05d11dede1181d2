/* CRC-32 (IEEE 802.3, reflected 0xEDB88320): zlib's crc32, in a 64-byte table. */
#ifndef WATCHWORD_CRC32_H
#define WATCHWORD_CRC32_H

#include "watchword/types.h"

WW_BEGIN_DECLS

/* crc_so_far: 0 to start, or the result for the bytes before these. */
uint32_t ww_crc32(uint32_t crc_so_far, const void *data, size_t bytes);

WW_END_DECLS

#endif
