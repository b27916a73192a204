/* record: bytes in a file that tells whether it is whole and what it is of. */
#ifndef HOI_RECORD_H
#define HOI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hoi_record_state {
    HOI_RECORD_READ,    /* here it is */
    HOI_RECORD_ABSENT,  /* no such file */
    HOI_RECORD_OTHER,   /* whole, but kept under another key */
    HOI_RECORD_DAMAGED, /* cut off, changed, or no record at all: hoi_error tells */
    HOI_RECORD_FAILED   /* it can not be read: hoi_error tells */
} hoi_record_state;

/* Gets a checksum of 64 bits: every bit of the n bytes reaches every bit of it. */
uint64_t hoi_record_checksum(const void *bytes, size_t n);

/* Writes a record under its key, first under a temporary name: nobody sees half of one. False after
   hoi_fail. */
bool hoi_record_save(const char *path, const char *key, const void *bytes, size_t n);

/* Reads a record; *bytes (n of them, the caller frees it) only with HOI_RECORD_READ. */
hoi_record_state hoi_record_load(const char *path, const char *key, unsigned char **bytes,
                                 size_t *n);

#endif
