/* weights_index: Hugging Face's index: names, and the files beside it that hold them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/error.h"
#include "core/utf8.h"
#include "core/weights_file.h"

enum { shard_limit = 4096 };

/* A file of the folder itself: no way out of it. */
static bool is_plain(const char *name) {
    return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

/* Gets the shard of a file name, opened when it is met first; NULL after hoi_fail. */
static hoi_weights *shard_of(hoi_weights *w, const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    hoi_weights **grown;
    if (!path) {
        hoi_fail("weights: %s: no memory", w->label);
        return NULL;
    }
    snprintf(path, size, "%s/%s", folder, name);
    hoi_weights *shard = NULL;
    for (size_t i = w->shard_count; !shard && i-- > 0;) /* mostly the last one again */
        shard = strcmp(hoi_weights_label(w->shards[i]), path) == 0 ? w->shards[i] : NULL;
    if (!shard && !is_plain(name))
        hoi_fail("weights: %s: '%s' is no plain name of a file beside it", w->label, name);
    else if (!shard && strstr(name, ".index.json"))
        hoi_fail("weights: %s: an index in the index", w->label);
    else if (!shard && w->shard_count == shard_limit)
        hoi_fail("weights: %s: more than %d files", w->label, shard_limit);
    else if (!shard && (grown = realloc(w->shards, (w->shard_count + 1) * sizeof *grown))) {
        w->shards = grown;
        shard = hoi_weights_open(path);
        if (shard)
            w->shards[w->shard_count++] = shard;
    } else if (!shard) {
        hoi_fail("weights: %s: no memory", w->label);
    }
    free(path);
    return shard;
}

static bool add(hoi_weights *w, const char *folder, const cJSON *item) {
    if (!cJSON_IsString(item))
        return hoi_fail("weights: %s: weight_map: the file of '%.80s' is no text", w->label,
                        item->string);
    hoi_weights *shard = shard_of(w, folder, item->valuestring);
    const hoi_entry *inner = shard ? hoi_weights_find(shard, item->string) : NULL;
    if (!shard)
        return false;
    if (!inner)
        return hoi_fail("weights: %s: '%.80s' is not in %s, as the index says", w->label,
                        item->string, item->valuestring);
    size_t number;
    weights_storage storage = {.bytes = inner->bytes, .mapped = inner->data};
    if (!weights_add_storage(w, storage, &number) || !weights_add_array(w, inner, number, 0, NULL))
        return false;
    w->arrays[w->count - 1].shard = shard;
    w->arrays[w->count - 1].inner = inner;
    return true;
}

bool weights_read_index(hoi_weights *w, const char *folder) {
    const char *text = (const char *)w->bytes;
    w->container = "index";
    if (memchr(text, 0, w->size) || hoi_utf8_valid(text, w->size) < w->size)
        return hoi_fail("weights: %s: not UTF-8 text", w->label);
    char *copy = strndup(text, w->size); /* cJSON wants a zero at the end */
    cJSON *json = copy ? cJSON_Parse(copy) : NULL;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "weight_map"), *item;
    bool ok = cJSON_IsObject(map);
    if (!ok)
        hoi_fail(copy ? "weights: %s: no JSON with a weight_map" : "weights: %s: no memory",
                 w->label);
    else
        cJSON_ArrayForEach(item, map) ok = ok && add(w, folder, item);
    cJSON_Delete(json);
    free(copy);
    return ok;
}
