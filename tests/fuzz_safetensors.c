/* fuzz_safetensors: any bytes as a file. Opens them, and when they pass, reads all they promise.
     clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz_safetensors.c
         core/safetensors.c core/dtype.c core/error.c -lcjson -lutf8proc
         -o fuzz_safetensors && ./fuzz_safetensors -max_total_time=30 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

/* Reads every byte of an entry: outside of the file, the address sanitizer stops it. */
static void read_entry(const hoi_safetensors *file, const hoi_entry *entry) {
    check(hoi_safetensors_find(file, entry->name) == entry);
    check(hoi_entry_elements(entry) * hoi_dtype_bytes(entry->dtype) == entry->bytes);
    size_t elements = 1;
    for (int i = 0; i < entry->rank; i++)
        elements *= (size_t)entry->shape[i];
    check(elements == hoi_entry_elements(entry));
    unsigned char *copy = malloc(entry->bytes + 1);
    float *floats = malloc((elements + 1) * sizeof *floats);
    check(copy && floats);
    if (entry->bytes)
        memcpy(copy, entry->data, entry->bytes);
    if (!hoi_entry_floats(entry, floats))
        check(*hoi_error() != 0);
    free(copy);
    free(floats);
}

static void open_and_read(const uint8_t *bytes, size_t size) {
    hoi_safetensors *file = hoi_safetensors_open_memory(bytes, size, "fuzz");
    if (!file) {
        check(strncmp(hoi_error(), "safetensors: fuzz: ", 19) == 0);
        return;
    }
    for (size_t i = 0; i < hoi_safetensors_count(file); i++)
        read_entry(file, hoi_safetensors_at(file, i));
    const char *value = hoi_safetensors_metadata(file, "k");
    check(!value || strlen(value) < size);
    hoi_safetensors_close(file);
}

/* As it is; then with a true header length in front and the first byte's value of bytes as data, so
   that mutations need not find these two by chance. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    open_and_read(bytes, size);
    if (size < 1)
        return 0;
    uint64_t length = size - 1;
    size_t whole = 8 + (size_t)length + bytes[0];
    uint8_t *file = calloc(1, whole);
    check(file != NULL);
    memcpy(file, &length, 8);
    memcpy(file + 8, bytes + 1, (size_t)length);
    open_and_read(file, whole);
    free(file);
    return 0;
}
