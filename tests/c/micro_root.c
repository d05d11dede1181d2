/* The square root of micro.c against its definition: at both ends of what each 16-bit root stands
 * for, which is where an estimate goes wrong, and around squares of more than 32 bits. */
#include <stdio.h>

#include "micro.c"

static int wrong(uint64_t v, uint64_t floor) {
    bool up = v - floor * floor > floor && !(floor == 0xffff && v >> 32 == 0);
    if (root(v) == floor + up) return 0;
    printf("root(%llu) is %u, not %llu\n", (unsigned long long)v, (unsigned)root(v),
           (unsigned long long)(floor + up));
    return 1;
}

int main(void) {
    int errors = 0;
    for (uint64_t r = 0; r < 1u << 20; r++) {
        const uint64_t least = r * r, middle = least + r, most = least + 2 * r;
        errors += wrong(least, r) + wrong(middle, r) + wrong(most, r);
        if (r > 0) errors += wrong(middle + 1, r);
        if (errors > 10) break;
    }
    printf("%d errors\n", errors);
    return errors != 0;
}
