/* fuzz_npy: any bytes as a file; and as the header of an array of NumPy's, whose data has as many
   bytes as the first byte says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

static void open_and_read(const uint8_t *bytes, size_t size) {
    hoi_weights *w = hoi_weights_open_memory(bytes, size, "fuzz");
    if (!w) {
        check(strstr(hoi_error(), "fuzz") != NULL);
        return;
    }
    for (size_t i = 0; i < hoi_weights_count(w); i++) {
        const hoi_entry *entry = hoi_weights_at(w, i);
        check(entry->bytes <= size || strcmp(hoi_weights_container(w), "npy") != 0);
        if (entry->bytes > 1 << 20)
            continue;
        float *floats = malloc((hoi_entry_elements(entry) + 1) * sizeof *floats);
        check(floats != NULL);
        if (!hoi_weights_floats(w, entry, floats))
            check(*hoi_error() != 0);
        free(floats);
    }
    hoi_weights_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    open_and_read(bytes, size);
    if (size < 1 || size > 65000)
        return 0;
    size_t header = size - 1, whole = 10 + header + bytes[0];
    uint8_t *file = calloc(1, whole);
    check(file != NULL);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (uint8_t)header;
    file[9] = (uint8_t)(header >> 8);
    memcpy(file + 10, bytes + 1, header);
    open_and_read(file, whole);
    free(file);
    return 0;
}
