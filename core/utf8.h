/* utf8: how far a text is what it says. */
#ifndef HOI_UTF8_H
#define HOI_UTF8_H

#include <stddef.h>
#include <utf8proc.h>

/* Gets how many bytes at the start of a text are UTF-8 (no overlong form, no surrogate): `size`
   when all are. */
static inline size_t hoi_utf8_valid(const char *text, size_t size) {
    size_t at = 0;
    while (at < size) {
        utf8proc_int32_t character;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                   (utf8proc_ssize_t)(size - at), &character);
        if (length <= 0)
            break;
        at += (size_t)length;
    }
    return at;
}

#endif
