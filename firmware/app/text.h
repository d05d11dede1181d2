/* Short texts without a C library's printf: cut off at the end of their room, never longer. */
#ifndef WATCHWORD_TEXT_H
#define WATCHWORD_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_BYTES 128

typedef struct {
    char bytes[TEXT_BYTES];
    size_t length;
} text;

void text_put(text *t, const char *more);
void text_put_bytes(text *t, const char *more, size_t count);

/* At least `digits` digits of value in `base`, zero padded. */
void text_put_number(text *t, uint32_t value, uint32_t base, int digits);

#endif
