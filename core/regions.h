/* regions: features of boxes on a map. */
#ifndef HOI_REGIONS_H
#define HOI_REGIONS_H

#include <stdbool.h>

/* Writes ROI-Align (He et al. 2017; aligned, sampling adaptive: ceil(bin) points a side) as the
   matrix it is: (count * bins, height * width) weights of bilinear interpolation, so that out =
   weights x map for a map (height * width, channels). boxes (count, 4): x1, y1, x2, y2, times scale
   = map pixels. size: bins a side. bins: each bin a row (size * size rows of a box, row by row);
   else their mean, one row. */
void hoi_roi_weights(int count, const float *boxes, int height, int width, int size, double scale,
                     bool bins, float *weights);

#endif
