/* archive: a zip file in memory, opened by libzip and checked: names once, sizes that can be true,
   nothing unpacked that was not asked for. */
#ifndef HOI_ARCHIVE_H
#define HOI_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#define HOI_ARCHIVE_NONE ((size_t)-1)

typedef struct hoi_archive hoi_archive;

/* Opens `size` bytes, which the caller keeps alive; messages call them `label`. Fails for a name
   that comes twice, for entries that overlap, for more than 2 GB out of packed entries. NULL after
   hoi_fail. */
hoi_archive *hoi_archive_open(const void *bytes, size_t size, const char *label);

/* Drops it. NULL is fine. */
void hoi_archive_close(hoi_archive *archive);

/* Gets the number of entries, the name of entry i (0-based, by name), its unpacked bytes. */
size_t hoi_archive_count(const hoi_archive *archive);
const char *hoi_archive_name(const hoi_archive *archive, size_t i);
size_t hoi_archive_bytes(const hoi_archive *archive, size_t i);

/* Gets the entry of a name, HOI_ARCHIVE_NONE when there is none. */
size_t hoi_archive_find(const hoi_archive *archive, const char *name);

/* Unpacks `bytes` bytes of entry i, from byte `skip` on; the check sum is compared when that is the
   whole. */
bool hoi_archive_read(const hoi_archive *archive, size_t i, size_t skip, size_t bytes, void *out);

#endif
