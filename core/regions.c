/* regions: ROI-Align's weights. */
#include "core/regions.h"

#include <math.h>
#include <string.h>

/* Adds the bilinear weights of a point to a row. Points more than one pixel outside do not count.
   */
static void add_point(double y, double x, int height, int width, double weight, float *row) {
    if (y < -1.0 || y > height || x < -1.0 || x > width)
        return;
    y = y < 0.0 ? 0.0 : y;
    x = x < 0.0 ? 0.0 : x;
    int y0 = (int)y, x0 = (int)x, y1 = y0 + 1, x1 = x0 + 1;
    if (y0 >= height - 1) {
        y0 = y1 = height - 1;
        y = y0;
    }
    if (x0 >= width - 1) {
        x0 = x1 = width - 1;
        x = x0;
    }
    double dy = y - y0, dx = x - x0;
    row[y0 * width + x0] += (float)(weight * (1.0 - dy) * (1.0 - dx));
    row[y0 * width + x1] += (float)(weight * (1.0 - dy) * dx);
    row[y1 * width + x0] += (float)(weight * dy * (1.0 - dx));
    row[y1 * width + x1] += (float)(weight * dy * dx);
}

void hoi_roi_weights(int count, const float *boxes, int height, int width, int size, double scale,
                     bool bins, float *weights) {
    int cells = height * width, rows = bins ? size * size : 1;
    memset(weights, 0, (size_t)count * (size_t)rows * (size_t)cells * sizeof *weights);
    for (int i = 0; i < count; ++i) {
        const float *b = boxes + 4 * i;
        double x1 = (double)b[0] * scale - 0.5, y1 = (double)b[1] * scale - 0.5;
        double w = ((double)b[2] * scale - 0.5 - x1) / size,
               h = ((double)b[3] * scale - 0.5 - y1) / size;
        int across = (int)ceil(w),
            down = (int)ceil(h); /* 0 for an empty box: no points, a row of zeros */
        double each =
            across > 0 && down > 0 ? 1.0 / (across * down) / (bins ? 1 : size * size) : 0.0;
        for (int by = 0; by < size; ++by)
            for (int bx = 0; bx < size; ++bx) {
                float *row =
                    weights + ((size_t)i * (size_t)rows + (size_t)(bins ? by * size + bx : 0)) *
                                  (size_t)cells;
                for (int sy = 0; sy < down; ++sy)
                    for (int sx = 0; sx < across; ++sx)
                        add_point(y1 + h * (by + (sy + 0.5) / down),
                                  x1 + w * (bx + (sx + 0.5) / across), height, width, each, row);
            }
    }
}
