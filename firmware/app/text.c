#include "text.h"

#include <string.h>

void text_put_bytes(text *t, const char *more, size_t count) {
    size_t room = TEXT_BYTES - t->length;
    if (count > room) count = room;
    memcpy(t->bytes + t->length, more, count);
    t->length += count;
}

void text_put(text *t, const char *more) {
    text_put_bytes(t, more, strlen(more));
}

void text_put_number(text *t, uint32_t value, uint32_t base, int digits) {
    char reversed[10];
    int count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || count < digits);
    while (count > 0)
        text_put_bytes(t, &reversed[--count], 1);
}
