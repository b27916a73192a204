/* exif: a walk through the segments of a JPEG to the first directory of its Exif note. */
#include "core/exif.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A part of the file; everything is read through it. */
typedef struct part {
    const unsigned char *bytes;
    size_t n;
    bool little; /* the order of a number's bytes */
} part;

/* Gets the number of `width` bytes at a place, -1 beyond the end. */
static int64_t number(part p, size_t at, size_t width) {
    int64_t value = 0;
    if (at > p.n || p.n - at < width)
        return -1;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | p.bytes[at + (p.little ? width - 1 - i : i)];
    return value;
}

/* Gets the orientation of a note (a TIFF file: byte order, 42, where its first directory is). */
static int noted(part note) {
    enum { orientation = 0x112, short_number = 3, entry_size = 12 };
    note.little = note.n > 1 && note.bytes[0] == 'I';
    int64_t directory = number(note, 4, 4);
    if (number(note, 2, 2) != 42 || directory < 0)
        return 1;
    int64_t entries = number(note, (size_t)directory, 2);
    for (int64_t i = 0; i < entries; i++) {
        size_t at = (size_t)directory + 2 + (size_t)i * entry_size;
        int64_t tag = number(note, at, 2), value = number(note, at + 8, 2);
        if (tag < 0 || value < 0)
            break;
        if (tag == orientation && number(note, at + 2, 2) == short_number)
            return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int hoi_exif_orientation(const unsigned char *bytes, size_t n) {
    static const char name[6] = "Exif\0";
    enum { start = 0xD8, end = 0xD9, pixels = 0xDA, application_1 = 0xE1, filling = 0xFF };
    part file = {bytes, n, false};
    if (number(file, 0, 2) != 0xFF00 + start)
        return 1;
    for (size_t at = 2; number(file, at, 1) == 0xFF;) {
        int64_t marker = number(file, at + 1, 1), size = number(file, at + 2, 2);
        if (marker == filling) {
            at++;
            continue;
        }
        if (marker < 0 || marker == pixels || marker == end || size < 2 ||
            (size_t)size > n - at - 2)
            break;
        const unsigned char *inside = bytes + at + 4;
        size_t length = (size_t)size - 2;
        if (marker == application_1 && length > sizeof name &&
            memcmp(inside, name, sizeof name) == 0)
            return noted((part){inside + sizeof name, length - sizeof name, false});
        at += 2 + (size_t)size;
    }
    return 1;
}

bool hoi_exif_upright(hoi_image *image, int orientation) {
    if (orientation < 2 || orientation > 8)
        return true;
    bool turned = orientation >= 5; /* the stored rows are columns */
    bool mirrored = orientation == 2 || orientation == 3 || orientation >= 7;
    bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int w = image->width, h = image->height;
    hoi_image *upright = hoi_image_new(turned ? h : w, turned ? w : h);
    if (!upright)
        return false;
    unsigned char *out = upright->rgb;
    for (int y = 0; y < upright->height; y++)
        for (int x = 0; x < upright->width; x++, out += 3) {
            int column = turned ? y : x, row = turned ? x : y;
            column = mirrored ? w - 1 - column : column;
            row = flipped ? h - 1 - row : row;
            memcpy(out, image->rgb + ((size_t)row * (size_t)w + (size_t)column) * 3, 3);
        }
    free(image->rgb);
    *image = *upright;
    upright->rgb = NULL;
    hoi_image_free(upright);
    return true;
}
