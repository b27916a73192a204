/* exif: which way up a camera held the picture of a JPEG, and turning it so. */
#ifndef HOI_EXIF_H
#define HOI_EXIF_H

#include "core/image.h"

/* Gets the orientation, 1 to 8, that the n bytes of a file note; 1 (as it is) for files that note
   none, are no JPEG, or whose notes are damaged. Reads nothing beyond the n bytes. Source: Exif
   2.3, tag 274. */
int hoi_exif_orientation(const unsigned char *bytes, size_t n);

/* Turns a picture that was stored with such an orientation the way it was seen; orientations 5 to 8
   swap width and height. False after hoi_fail; the picture is then as before. */
bool hoi_exif_upright(hoi_image *image, int orientation);

#endif
