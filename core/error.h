/* error: how every room reports; the message of this thread. The ground all others stand on. */
#ifndef HOI_ERROR_H
#define HOI_ERROR_H

#include <stdbool.h>

#if defined(__GNUC__)
#define HOI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define HOI_PRINTF(text, first)
#endif

/* Keeps a message for this thread: where, what was found, what was wanted, what to do. The first
   one wins until hoi_error takes it, since it is nearest to the cause. Always false, so that
   `return hoi_fail(...)` reads well. */
bool hoi_fail(const char *format, ...) HOI_PRINTF(1, 2);

/* Takes this thread's message and clears it; "unknown error" when there is none. Valid until the
   next hoi_fail here. */
const char *hoi_error(void);

#endif
