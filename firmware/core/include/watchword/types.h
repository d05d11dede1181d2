/* Types and rules shared by the whole core.
 *
 * C99, no malloc, no stdio, no float. The caller owns every byte: state lives in structs it
 * provides, models and tables are const. Verbs: init may fail, reset never fails, push takes one
 * unit in and returns true when an output is ready.
 */
#ifndef WATCHWORD_TYPES_H
#define WATCHWORD_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ww_spec.h" /* generated: WW_* constants and ww_status */

/* Around declarations, for C++. */
#ifdef __cplusplus
#define WW_BEGIN_DECLS extern "C" {
#define WW_END_DECLS }
#else
#define WW_BEGIN_DECLS
#define WW_END_DECLS
#endif

/* WW_STATIC_ASSERT(condition, name): C99 has none of its own. */
#define WW_STATIC_ASSERT(condition, name) typedef char ww_assert_##name[(condition) ? 1 : -1]

#if defined(__GNUC__)
#define WW_CHECKED __attribute__((warn_unused_result))
#else
#define WW_CHECKED
#endif

/* WW_UNROLL: before a loop of constant length whose array is meant to live in registers (clang
 * sees that by itself). WW_INLINE: for functions that are fast because arguments are constants. */
#if defined(__GNUC__) && !defined(__clang__)
#define WW_UNROLL _Pragma("GCC unroll 16")
#else
#define WW_UNROLL
#endif
#if defined(__GNUC__)
#define WW_INLINE static inline __attribute__((always_inline))
#define WW_RARE(condition) __builtin_expect(condition, 0)
#else
#define WW_RARE(condition) (condition)
#define WW_INLINE static inline
#endif

#endif
