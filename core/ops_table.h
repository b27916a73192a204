/* ops_table: what the files of operations share: their rows of the table, and unrecorded pieces
   they build on. */
#ifndef HOI_OPS_TABLE_H
#define HOI_OPS_TABLE_H

#include "core/ops.h"

extern const hoi_operation hoi_unary_operations[HOI_HALF + 1];
extern const hoi_operation hoi_binary_operations[7];
extern const hoi_operation hoi_where_operation;
extern const hoi_operation hoi_shape_operations[10];
extern const hoi_operation hoi_row_operations[9];
extern const hoi_operation hoi_product_operations[2];
extern const hoi_operation hoi_attention_operation;
extern const hoi_operation hoi_conv_operations[3];

/* Returns y, or frees it and returns NULL where the launch failed. */
hoi_tensor *hoi_finish(hoi_tensor *y, bool launched);
/* Fails unless x is stored as F32. */
bool hoi_wants_float(const hoi_tensor *x, const char *name);
/* The shape two tensors broadcast to. */
bool hoi_broadcast(const hoi_tensor *a, const hoi_tensor *b, const char *name, int *rank,
                   int64_t *shape);

/* Unrecorded: y = a op b with broadcasting; a copy of x broadcast (x itself, counted, where nothing
   changes); sums. */
hoi_tensor *hoi_combine(hoi_binary op, hoi_tensor *a, hoi_tensor *b, const char *name);
hoi_tensor *hoi_expand_plain(hoi_tensor *x, int rank, const int64_t *shape);
hoi_tensor *hoi_sum_plain(hoi_tensor *x, int dimension, bool keep);
/* Sums g over the dimensions in which `like` was broadcast. Takes g; NULL gives NULL. */
hoi_tensor *hoi_sum_to(hoi_tensor *g, const hoi_tensor *like);
hoi_tensor *hoi_permute_plain(hoi_tensor *x, const int *order);
/* dw (n, k) = dz' x, or that added to it: dz (rows, n), x (rows, k), both read along their rows,
   which are the sum. sums (n), or NULL: gets the sums of dz's columns. */
bool hoi_add_product(hoi_tensor *dz, hoi_tensor *x, hoi_tensor *dw, bool add, hoi_tensor *sums);

#endif
