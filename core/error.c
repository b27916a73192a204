/* error: the message of this thread. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[4096];
static _Thread_local bool pending;

bool hoi_fail(const char *format, ...) {
    if (!pending) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        pending = true;
    }
    return false;
}

const char *hoi_error(void) {
    const char *text = pending ? message : "unknown error";
    pending = false;
    return text;
}
