/* words: text cleaned and cut as CLIP's tokenizer wants it. */
#include "core/words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "core/error.h"
#include "core/utf8.h"

/* Bytes that no UTF-8 text has stand for the two special tokens in a cleaned text. */
enum { start_mark = 0xFE, end_mark = 0xFF };

/* ------------------------------------------------------------------ character references */

/* U+00A0 to U+00FF; HTML needs no semicolon after these and the first four of `other_names`. */
static const char *const latin_names[96] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

static const struct {
    const char *name;
    utf8proc_int32_t character;
} other_names[] = {{"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
                   {"apos", '\''},     {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},
                   {"rsquo", 0x2019},  {"sbquo", 0x201A},  {"ldquo", 0x201C},  {"rdquo", 0x201D},
                   {"bdquo", 0x201E},  {"dagger", 0x2020}, {"bull", 0x2022},   {"hellip", 0x2026},
                   {"prime", 0x2032},  {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"euro", 0x20AC},
                   {"trade", 0x2122},  {"larr", 0x2190},   {"rarr", 0x2192},   {"minus", 0x2212},
                   {"infin", 0x221E},  {"ne", 0x2260},     {"le", 0x2264},     {"ge", 0x2265},
                   {"hearts", 0x2665}, {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},
                   {"scaron", 0x161},  {"Yuml", 0x178},    {"ensp", 0x2002},   {"emsp", 0x2003},
                   {"thinsp", 0x2009}, {"zwnj", 0x200C},   {"zwj", 0x200D}};

enum { latin_count = 96, other_count = sizeof other_names / sizeof other_names[0], bare_count = 4 };

/* Numbers 128 to 159 are read as Windows-1252, as browsers do; 0 there: as they are. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

/* Gets the character of number `value`, -1 for one that HTML drops. */
static utf8proc_int32_t numbered(uint32_t value) {
    if (value >= 0x80 && value <= 0x9F)
        return windows_1252[value - 0x80] ? windows_1252[value - 0x80] : (utf8proc_int32_t)value;
    if (value == 0 || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF)
        return 0xFFFD;
    bool control =
        (value < 0x20 && value != '\t' && value != '\n' && value != '\f' && value != '\r') ||
        value == 0x7F;
    if (control || (value >= 0xFDD0 && value <= 0xFDEF) || (value & 0xFFFE) == 0xFFFE)
        return -1;
    return (utf8proc_int32_t)value;
}

static bool is_digit(char c, bool hexadecimal) {
    return (c >= '0' && c <= '9') ||
           (hexadecimal && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
}

/* Reads "&#65;" or "&#x41;" (the semicolon may be missing). Gets its length, 0 when it is none. */
static size_t read_number(const char *at, utf8proc_int32_t *character) {
    bool hexadecimal = at[2] == 'x' || at[2] == 'X';
    const char *digit = at + (hexadecimal ? 3 : 2);
    if (!is_digit(*digit, hexadecimal))
        return 0;
    uint32_t value = 0;
    for (; is_digit(*digit, hexadecimal); digit++) {
        uint32_t one = (uint32_t)(*digit <= '9' ? *digit - '0' : (*digit | 32) - 'a' + 10);
        if (value <= 0x10FFFF) /* larger is all the same */
            value = value * (hexadecimal ? 16 : 10) + one;
    }
    *character = numbered(value);
    return (size_t)(digit - at) + (*digit == ';');
}

static bool starts_with(const char *text, size_t size, const char *name) {
    size_t length = strlen(name);
    return length <= size && memcmp(text, name, length) == 0;
}

/* Reads "&eacute;", or the longest of the names that need no semicolon. Gets its length, 0 when it
   is none. */
static size_t read_name(const char *at, utf8proc_int32_t *character) {
    size_t size = 0;
    while (is_digit(at[1 + size], false) ||
           ((at[1 + size] | 32) >= 'a' && (at[1 + size] | 32) <= 'z'))
        size++;
    bool ended = at[1 + size] == ';';
    size_t best = 0;
    for (int i = 0; i < latin_count + other_count; i++) {
        const char *name = i < latin_count ? latin_names[i] : other_names[i - latin_count].name;
        size_t length = strlen(name);
        bool fits = ended ? length == size : length > best && i < latin_count + bare_count;
        if (fits && starts_with(at + 1, size, name)) {
            best = length;
            *character = i < latin_count ? 0xA0 + i : other_names[i - latin_count].character;
        }
    }
    return best ? 1 + best + ended : 0;
}

/* Resolves the references of a text in its own place: none is shorter than what it stands for. */
static void resolve_references(char *text) {
    char *to = text;
    for (const char *at = text; *at;) {
        utf8proc_int32_t character;
        size_t length = 0;
        if (*at == '&')
            length = at[1] == '#' ? read_number(at, &character) : read_name(at, &character);
        if (!length) {
            *to++ = *at++;
            continue;
        }
        at += length;
        if (character >= 0)
            to += utf8proc_encode_char(character, (utf8proc_uint8_t *)to);
    }
    *to = 0;
}

/* ------------------------------------------------------------------ cleaning */

/* One code point to one, save U+0130, whose lower case Unicode writes as two: i and a dot above. */
static char *append_lower(char *to, utf8proc_int32_t character) {
    to += utf8proc_encode_char(utf8proc_tolower(character), (utf8proc_uint8_t *)to);
    if (character == 0x130)
        to += utf8proc_encode_char(0x307, (utf8proc_uint8_t *)to);
    return to;
}

typedef struct cleaned {
    char *bytes;
    size_t size, capacity;
} cleaned;

static bool make_room(cleaned *out, size_t more) {
    if (out->capacity - out->size >= more)
        return true;
    size_t capacity = 2 * out->capacity + more;
    char *grown = realloc(out->bytes, capacity);
    if (!grown)
        return hoi_fail("tokenizer: no memory for a text of %zu bytes", capacity);
    out->bytes = grown;
    out->capacity = capacity;
    return true;
}

/* Writes a mark for each <|startoftext|>. The reference looks for it only here, so any case of it
   counts. */
static char *mark_starts(char *from) {
    char *to = from;
    const size_t name_size = strlen(HOI_START_NAME);
    while (*from) {
        bool found = strncmp(from, HOI_START_NAME, name_size) == 0;
        *to++ = found ? (char)start_mark : *from;
        from += found ? name_size : 1;
    }
    return to;
}

/* Adds a piece of text without <|endoftext|>, composed and in lower case. Leaves room for a mark
   and a zero. */
static bool append_clean(const char *piece, size_t piece_size, cleaned *out) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)piece, (utf8proc_ssize_t)piece_size, &composed,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length < 0)
        return hoi_fail("tokenizer: composing %zu bytes: %s", piece_size, utf8proc_errmsg(length));
    bool ok =
        make_room(out, 2 * (size_t)length + 2); /* lower case makes three bytes of two, at most */
    if (ok) {
        char *start = out->bytes + out->size, *to = start;
        for (utf8proc_ssize_t at = 0; at < length;) {
            utf8proc_int32_t character;
            at += utf8proc_iterate(composed + at, length - at, &character);
            to = append_lower(to, character);
        }
        *to = 0;
        out->size += (size_t)(mark_starts(start) - start);
    }
    free(composed);
    return ok;
}

static bool clean(const char *source, cleaned *out) {
    const char *end;
    for (const char *at = source; at; at = end) {
        end = strstr(at, HOI_END_NAME);
        if (!append_clean(at, end ? (size_t)(end - at) : strlen(at), out))
            return false;
        if (end) {
            out->bytes[out->size++] = (char)end_mark;
            end += strlen(HOI_END_NAME);
        }
    }
    out->bytes[out->size] = 0;
    return true;
}

char *hoi_words_clean(const char *text) {
    size_t size = strlen(text), valid = hoi_utf8_valid(text, size);
    if (valid < size) {
        size_t shown = valid < 40 ? valid : 40;
        hoi_fail("tokenizer: byte %zu of the text (0x%02X, after '%.*s') is not UTF-8", valid + 1,
                 (unsigned)(unsigned char)text[valid], (int)shown, text + valid - shown);
        return NULL;
    }
    char *source = strdup(text);
    if (!source) {
        hoi_fail("tokenizer: no memory for a text of %zu bytes", size);
        return NULL;
    }
    resolve_references(source);
    resolve_references(source);
    cleaned out = {0};
    if (!clean(source, &out)) {
        free(out.bytes);
        out.bytes = NULL;
    }
    free(source);
    return out.bytes;
}

/* ------------------------------------------------------------------ cutting */

typedef enum class {
    class_end,
    class_mark,
    class_space,
    class_letter,
    class_number,
    class_other
} class;

/* Unicode's White_Space */
static bool is_space(utf8proc_int32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Gets the class of the character at a place of a cleaned text, and its bytes. */
static class class_at(const char *at, size_t *size) {
    *size = 1;
    if (*at == 0)
        return class_end;
    if ((unsigned char)*at >= start_mark)
        return class_mark;
    utf8proc_int32_t character;
    *size = (size_t)utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &character);
    if (is_space(character))
        return class_space;
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return class_letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return class_number;
    default:
        return class_other;
    }
}

static size_t contraction(const char *at) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strncmp(at, endings[i], strlen(endings[i])) == 0)
            return strlen(endings[i]);
    return 0;
}

bool hoi_words_next(const char **cursor, hoi_word *word) {
    const char *at = *cursor;
    size_t size;
    class first;
    while ((first = class_at(at, &size)) == class_space)
        at += size;
    if (first == class_end) {
        *cursor = at;
        return false;
    }
    *word = (hoi_word){HOI_WORD_PLAIN, at, contraction(at)};
    if (first == class_mark)
        word->kind = (unsigned char)*at == start_mark ? HOI_WORD_START : HOI_WORD_END;
    if (word->size == 0) {
        do
            word->size += size;
        while (first != class_mark && first != class_number &&
               class_at(at + word->size, &size) == first);
    }
    *cursor = at + word->size;
    return true;
}
