/* What the stack is filled with at reset, for C and assembler. */
#ifndef WATCHWORD_STACK_PAINT_H
#define WATCHWORD_STACK_PAINT_H

#define STACK_PAINT 0xa5a5a5a5

#endif
