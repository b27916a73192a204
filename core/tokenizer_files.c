/* tokenizer_files: the forms in which CLIP's vocabulary is published. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#include "core/error.h"
#include "core/tokenizer.h"
#include "core/words.h"

enum { file_limit = 1 << 26, openai_merges = 49408 - 2 * 256 - 2 };

/* ------------------------------------------------------------------ files */

/* Gets a file's text, ended by a zero, to be freed; unpacked where it is packed by gzip. */
static char *read_text(const char *path) {
    struct stat status;
    bool there = stat(path, &status) == 0;
    if (!there || !S_ISREG(status.st_mode)) {
        hoi_fail("tokenizer: %s: %s", path, there ? "not a regular file" : strerror(errno));
        return NULL;
    }
    gzFile stream = gzopen(path, "rbe"); /* what is not packed comes as it is */
    char *text = NULL;
    size_t size = 0, capacity = 1 << 16;
    int got = stream ? 1 : -1;
    while (got > 0) {
        char *grown = size < file_limit ? realloc(text, 2 * capacity + 1) : NULL;
        if (!grown) {
            hoi_fail("tokenizer: %s: more than %d bytes of text, or no memory", path, file_limit);
            break;
        }
        text = grown;
        capacity *= 2;
        while (size < capacity &&
               (got = gzread(stream, text + size, (unsigned)(capacity - size))) > 0)
            size += (size_t)got;
    }
    bool ok = got == 0;
    if (stream)
        ok = (gzclose(stream) == Z_OK) && ok;
    if (ok) {
        text[size] = 0;
        ok = strlen(text) == size;
    }
    if (ok)
        return text;
    hoi_fail("tokenizer: %s: can not be read as text: %s", path,
             stream ? "cut short, or not text" : strerror(errno));
    free(text);
    return NULL;
}

static hoi_tokenizer *open_pair(const char *folder) {
    hoi_tokenizer *t = NULL;
    char *vocabulary_path = hoi_tokenizer_path(folder, "vocab.json");
    char *merges_path = vocabulary_path ? hoi_tokenizer_path(folder, "merges.txt") : NULL;
    char *vocabulary = merges_path ? read_text(vocabulary_path) : NULL;
    char *merges = vocabulary ? read_text(merges_path) : NULL;
    if (merges)
        t = hoi_tokenizer_build(vocabulary, vocabulary_path, merges, merges_path);
    free(vocabulary_path);
    free(merges_path);
    free(vocabulary);
    free(merges);
    return t;
}

static bool has_end(const char *path, const char *end) {
    size_t length = strlen(path), tail = strlen(end);
    return length >= tail && strcmp(path + length - tail, end) == 0;
}

static hoi_tokenizer *open_file(const char *path) {
    char *text = read_text(path);
    hoi_tokenizer *t = NULL;
    if (text)
        t = has_end(path, ".json") ? hoi_tokenizer_open_json(text, path)
                                   : hoi_tokenizer_open_merges(text, path);
    free(text);
    return t;
}

hoi_tokenizer *hoi_tokenizer_open(const char *path) {
    static const char *const names[] = {"tokenizer.json", "bpe_simple_vocab_16e6.txt.gz",
                                        "bpe_simple_vocab_16e6.txt"};
    struct stat status;
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        return open_file(path);
    char *vocabulary = hoi_tokenizer_path(path, "vocab.json");
    char *found = NULL;
    if (!vocabulary)
        return NULL;
    for (size_t i = 0; access(vocabulary, F_OK) != 0 && i < sizeof names / sizeof *names; i++) {
        found = hoi_tokenizer_path(path, names[i]);
        if (!found || access(found, F_OK) == 0)
            break;
        free(found);
        found = NULL;
    }
    hoi_tokenizer *t = found ? open_file(found) : open_pair(path);
    free(vocabulary);
    free(found);
    return t;
}

/* ------------------------------------------------------------------ Hugging Face's one file */

/* A text that grows. */
typedef struct text {
    char *bytes;
    size_t size, capacity;
} text;

static bool append(text *t, const char *added) {
    size_t length = strlen(added);
    if (t->capacity - t->size <= length) {
        size_t capacity = 2 * (t->capacity + length) + 64;
        char *grown = realloc(t->bytes, capacity);
        if (!grown)
            return hoi_fail("tokenizer: no memory for %zu bytes", capacity);
        t->bytes = grown;
        t->capacity = capacity;
    }
    memcpy(t->bytes + t->size, added, length + 1);
    t->size += length;
    return true;
}

/* A merge is "left right", or in newer files a list of the two. */
static bool append_merge(text *lines, const cJSON *merge, const char *label) {
    const cJSON *left = cJSON_IsArray(merge) ? cJSON_GetArrayItem(merge, 0) : merge;
    const cJSON *right = cJSON_IsArray(merge) ? cJSON_GetArrayItem(merge, 1) : NULL;
    if (!cJSON_IsString(left) || (cJSON_IsArray(merge) && !cJSON_IsString(right)))
        return hoi_fail("tokenizer: %s: a merge that is no pair of texts", label);
    return append(lines, left->valuestring) &&
           (!right || (append(lines, " ") && append(lines, right->valuestring))) &&
           append(lines, "\n");
}

hoi_tokenizer *hoi_tokenizer_open_json(const char *source, const char *label) {
    cJSON *json = cJSON_Parse(source);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(json, "model");
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(model, "type");
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    const cJSON *merges = cJSON_GetObjectItemCaseSensitive(model, "merges"), *merge;
    hoi_tokenizer *t = NULL;
    text lines = {0};
    bool ok = cJSON_IsObject(names) && cJSON_IsArray(merges) &&
              (!kind || (cJSON_IsString(kind) && strcmp(kind->valuestring, "BPE") == 0));
    if (!ok)
        hoi_fail("tokenizer: %s: %s", label,
                 json ? "no byte-pair encoding: 'model' of type BPE with 'vocab' and 'merges' is "
                        "wanted"
                      : "no JSON");
    ok = ok && append(&lines, "#version: 0.2\n");
    if (ok)
        cJSON_ArrayForEach(merge, merges) ok = ok && append_merge(&lines, merge, label);
    char *vocabulary = ok ? cJSON_PrintUnformatted(names) : NULL;
    if (vocabulary)
        t = hoi_tokenizer_build(vocabulary, label, lines.bytes, label);
    else if (ok)
        hoi_fail("tokenizer: %s: no memory", label);
    cJSON_free(vocabulary);
    cJSON_Delete(json);
    free(lines.bytes);
    return t;
}

/* ------------------------------------------------------------------ OpenAI's merges */

/* Adds the 256 bytes in OpenAI's order: those that print as themselves come first. */
static bool add_bytes(cJSON *names, bool at_end, int *id) {
    for (int moved = 0; moved < 2; moved++)
        for (int byte = 0; byte < 256; byte++) {
            bool prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
            char name[8];
            hoi_tokenizer_name_byte(byte, at_end, name);
            if (prints == (moved == 0) && !cJSON_AddNumberToObject(names, name, (*id)++))
                return false;
        }
    return true;
}

/* Adds the product of a line "left right", which ends where it ends. */
static bool add_product(cJSON *names, const char *line, size_t length, int *id) {
    const char *space = memchr(line, ' ', length);
    char *name = strndup(line, length);
    if (!name)
        return false;
    if (space) {
        size_t at = (size_t)(space - line);
        memmove(name + at, name + at + 1, length - at);
    }
    bool ok = cJSON_AddNumberToObject(names, name, (*id)++) != NULL;
    free(name);
    return ok;
}

hoi_tokenizer *hoi_tokenizer_open_merges(const char *source, const char *label) {
    cJSON *names = cJSON_CreateObject();
    hoi_tokenizer *t = NULL;
    int id = 0, count = 0;
    bool ok = names && add_bytes(names, false, &id) && add_bytes(names, true, &id);
    const char *line = source;
    if (strncmp(line, "\"bpe_simple_vocab", 17) == 0 || strncmp(line, "#version", 8) == 0)
        line += strcspn(line, "\n");
    line += *line == '\n';
    const char *first = line;
    while (ok && *line && count < openai_merges) {
        size_t length = strcspn(line, "\n");
        if (length) {
            ok = add_product(names, line, length, &id);
            count++;
        }
        line += length + (line[length] == '\n');
    }
    ok = ok && cJSON_AddNumberToObject(names, HOI_START_NAME, id) &&
         cJSON_AddNumberToObject(names, HOI_END_NAME, id + 1);
    char *vocabulary = ok ? cJSON_PrintUnformatted(names) : NULL;
    char *merges = ok ? strndup(first, (size_t)(line - first)) : NULL;
    if (vocabulary && merges)
        t = hoi_tokenizer_build(vocabulary, label, merges, label);
    else
        hoi_fail("tokenizer: %s: no memory", label);
    cJSON_free(vocabulary);
    cJSON_Delete(names);
    free(merges);
    return t;
}
