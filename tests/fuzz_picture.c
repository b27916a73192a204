/* fuzz_picture: any bytes as a picture; and as a JPEG's notes of how the camera was held. What opens
   has its pixels, and goes through its own file again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/exif.h"
#include "core/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

static void use(const hoi_image *image) {
    unsigned sum = 0;
    size_t n = (size_t)image->width * (size_t)image->height * 3;
    check(image->width > 0 && image->height > 0 && image->rgb);
    for (size_t i = 0; i < n; i++)
        sum += image->rgb[i];
    if (n > 3 << 16)
        return; /* writing it takes long */
    unsigned char *file;
    size_t length;
    check(hoi_image_encode(image, "png", 90, &file, &length));
    hoi_image *again = hoi_image_load_memory(file, length);
    check(again && again->width == image->width && again->height == image->height);
    for (size_t i = 0; i < n; i++)
        sum -= again->rgb[i];
    check(sum == 0);
    hoi_image_free(again);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int orientation = hoi_exif_orientation(bytes, size);
    check(orientation >= 1 && orientation <= 8);
    hoi_image *image = hoi_image_load_memory(bytes, size);
    if (image)
        use(image);
    else
        check(strncmp(hoi_error(), "image: ", 7) == 0);
    hoi_image_free(image);
    return 0;
}
