/* record: a head of fixed size, the key, the bytes; a checksum over all that follows it. */
#include "core/record.h"

#include "core/error.h"
#include "core/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As it lies in the file. It is read by the machine that wrote it. */
struct head {
    char magic[8];
    uint64_t checksum; /* of the rest of the head, the key and the bytes */
    uint64_t key, bytes;
};

static const char magic[8] = "hoirec1";

/* ------------------------------------------------------------------ checksum */

/* Goes on with a checksum: words of 8 bytes, each mixed into all bits; the last one is filled up
   with zeros and the length. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    size_t left = n;
    for (uint64_t word; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = hoi_mix(sum ^ word);
    }
    uint64_t last = 0;
    if (left)
        memcpy(&last, at, left);
    return hoi_mix(hoi_mix(sum ^ last) ^ (uint64_t)n);
}

uint64_t hoi_record_checksum(const void *bytes, size_t n) {
    return mix(0x243F6A8885A308D3u, bytes, n);
}

static uint64_t checksum_of(const struct head *head, const char *key, const void *bytes) {
    uint64_t sum = mix(0, &head->key, sizeof head->key + sizeof head->bytes);
    return mix(mix(sum, key, (size_t)head->key), bytes, (size_t)head->bytes);
}

/* ------------------------------------------------------------------ writing */

bool hoi_record_save(const char *path, const char *key, const void *bytes, size_t n) {
    struct head head = {.key = strlen(key), .bytes = n};
    memcpy(head.magic, magic, sizeof magic);
    head.checksum = checksum_of(&head, key, bytes);
    size_t length = strlen(path) + 32;
    char *part = malloc(length);
    if (!part)
        return hoi_fail("record: %s: no memory", path);
    snprintf(part, length, "%s.%ld.part", path, (long)getpid());
    FILE *file = fopen(part, "wb");
    bool ok = file && fwrite(&head, sizeof head, 1, file) == 1 &&
              fwrite(key, 1, (size_t)head.key, file) == head.key && fwrite(bytes, 1, n, file) == n;
    int problem = errno;
    if (file && fclose(file) != 0 && ok) {
        ok = false;
        problem = errno;
    }
    if (ok && rename(part, path) != 0) {
        ok = false;
        problem = errno;
    }
    if (!ok) {
        hoi_fail("record: %s: %s", path, strerror(problem));
        unlink(part);
    }
    free(part);
    return ok;
}

/* ------------------------------------------------------------------ reading */

static hoi_record_state damaged(const char *path, const char *why) {
    hoi_fail("%s: %s", path, why);
    return HOI_RECORD_DAMAGED;
}

/* Reads what follows the head; `all` has room for key and bytes. */
static hoi_record_state read_rest(FILE *file, const char *path, const struct head *head,
                                  const char *key, unsigned char *all) {
    size_t key_length = (size_t)head->key, n = (size_t)head->bytes;
    if (fread(all, 1, key_length + n, file) != key_length + n)
        return damaged(path, "cut off");
    if (checksum_of(head, (const char *)all, all + key_length) != head->checksum)
        return damaged(path, "changed: its checksum is another");
    if (strlen(key) != key_length || memcmp(all, key, key_length) != 0)
        return HOI_RECORD_OTHER;
    memmove(all, all + key_length, n);
    return HOI_RECORD_READ;
}

static hoi_record_state read_file(FILE *file, const char *path, const char *key,
                                  unsigned char **bytes, size_t *n) {
    struct head head;
    struct stat info;
    if (fstat(fileno(file), &info) != 0) {
        hoi_fail("record: %s: %s", path, strerror(errno));
        return HOI_RECORD_FAILED;
    }
    if (fread(&head, sizeof head, 1, file) != 1)
        return damaged(path, "cut off");
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        return damaged(path, "no record of hoi");
    /* sizes are believed only where the file is that long */
    uint64_t size = (uint64_t)info.st_size;
    if (size < sizeof head || head.key > size - sizeof head ||
        head.bytes != size - sizeof head - head.key)
        return damaged(path, "cut off");
    unsigned char *all = malloc((size_t)(head.key + head.bytes) + 1);
    if (!all) {
        hoi_fail("record: %s: no memory for %zu bytes", path, (size_t)head.bytes);
        return HOI_RECORD_FAILED;
    }
    hoi_record_state state = read_rest(file, path, &head, key, all);
    if (state != HOI_RECORD_READ) {
        free(all);
        return state;
    }
    *bytes = all;
    *n = (size_t)head.bytes;
    return state;
}

hoi_record_state hoi_record_load(const char *path, const char *key, unsigned char **bytes,
                                 size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file && errno == ENOENT)
        return HOI_RECORD_ABSENT;
    if (!file) {
        hoi_fail("record: %s: %s", path, strerror(errno));
        return HOI_RECORD_FAILED;
    }
    hoi_record_state state = read_file(file, path, key, bytes, n);
    fclose(file);
    return state;
}
