/* embedded: finds the files inside the binary. Their table is assembled by opencl/embed.cmake. */
#include "core/embedded.h"

#include <string.h>

struct embedded_file {
    const char *name;
    const char *begin;
    const char *end;
};

extern const struct embedded_file hoi_embedded_files[]; /* sorted by name, ends with a NULL name */

const void *hoi_embedded(const char *name, size_t *size) {
    for (const struct embedded_file *file = hoi_embedded_files; file->name; file++)
        if (strcmp(file->name, name) == 0) {
            *size = (size_t)(file->end - file->begin);
            return file->begin;
        }
    *size = 0;
    return NULL;
}

const char *hoi_embedded_name(size_t place) {
    for (size_t i = 0; i < place; i++)
        if (!hoi_embedded_files[i].name)
            return NULL;
    return hoi_embedded_files[place].name;
}
