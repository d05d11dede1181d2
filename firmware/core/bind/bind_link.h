/* Flat batch functions over the link for Python: loops only, no protocol of their own. Sizes are
 * size_t; what can fail returns 0 or a negated ww_status. */
#ifndef WATCHWORD_BIND_LINK_H
#define WATCHWORD_BIND_LINK_H

#include <stddef.h>
#include <stdint.h>

typedef struct wwb_link wwb_link;

/* A link with `slots` send slots (1..wwb_link_max_window()); NULL when it cannot be had. */
wwb_link *wwb_link_new(int host, int slots);
void wwb_link_free(wwb_link *l);
int wwb_link_max_window(void);

void wwb_link_connect(wwb_link *l, uint32_t session);
int wwb_link_connected(const wwb_link *l);
void wwb_link_close(wwb_link *l);
void wwb_link_set_credits(wwb_link *l, uint8_t frames);
int wwb_link_pending(const wwb_link *l);
size_t wwb_link_send_room(const wwb_link *l);

/* Feed bytes[count] until all are used or `max_frames` were delivered or out is full. Delivered
 * frames are appended to out as {type u8, length u16 little endian, payload}. Returns the bytes
 * written to out; *used receives the bytes consumed. */
size_t wwb_link_receive(wwb_link *l, const uint8_t *bytes, size_t count, size_t max_frames,
                        uint8_t *out, size_t capacity, size_t *used);

/* Queue one frame; 0 or -status. */
int wwb_link_send(wwb_link *l, uint8_t type, const uint8_t *payload, size_t length);

/* Queue bytes[count] as frames of the greatest length until the window is full; returns the
 * number of bytes taken. */
size_t wwb_link_send_pieces(wwb_link *l, uint8_t type, const uint8_t *bytes, size_t count);

/* Everything due now, as far as it fits; returns the number of bytes. */
size_t wwb_link_transmit(wwb_link *l, uint32_t now_ms, uint8_t *out, size_t capacity);

/* crc_errors, bad_frames, out_of_order, retransmissions. */
void wwb_link_counters(const wwb_link *l, uint32_t *counters);

uint32_t wwb_crc32(uint32_t crc_so_far, const uint8_t *bytes, size_t count);

#endif
