/* preview: a picture as text for a terminal: as its pixels where the terminal can show them (kitty's
   protocol, sixels), else as coloured Unicode blocks. Made by libchafa, where hoi was built with it.
   */
#ifndef HOI_PREVIEW_H
#define HOI_PREVIEW_H

#include "core/image.h"

/* automatic: the best of what the environment says of the terminal. */
typedef enum hoi_preview_kind {
    HOI_PREVIEW_AUTOMATIC,
    HOI_PREVIEW_BLOCKS,
    HOI_PREVIEW_SIXEL,
    HOI_PREVIEW_KITTY
} hoi_preview_kind;

/* Whether hoi was built with libchafa; without it hoi_preview fails. */
bool hoi_preview_possible(void);

/* Gets the text that shows a picture in at most columns x rows cells (1 to 1000 each), its
   proportions kept; it ends with a line break. The caller frees it. */
bool hoi_preview(const hoi_image *image, int columns, int rows, hoi_preview_kind kind, char **text,
                 size_t *n);

#endif
