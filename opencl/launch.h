/* launch: one typed function per kernel: the only callers of clSetKernelArg and
   clEnqueueNDRangeKernel. Each queues work and returns; false after hoi_fail. Which of the two
   kernel sets runs is decided here. */
#ifndef HOI_LAUNCH_H
#define HOI_LAUNCH_H

#include "opencl/device.h"

/* A place in device memory: element `at` of a buffer. */
typedef struct hoi_span {
    hoi_buffer *buffer;
    int64_t at;
} hoi_span;

/* How elements of a matrix are stored; arithmetic is always float. */
typedef enum hoi_storage_type {
    HOI_STORED_FLOAT,
    HOI_STORED_HALF,
    HOI_STORED_BFLOAT,
    HOI_STORED_PAIRS /* of a pack only: bfloat16, rows of k in pairs (launch_pairs) */
} hoi_storage_type;

typedef enum hoi_activation { HOI_LINEAR, HOI_QUICK_GELU, HOI_GELU, HOI_RELU } hoi_activation;

/* Numbered as in pointwise.cl. a, b are the operation's constants. */
typedef enum hoi_unary {
    HOI_AFFINE, /* a x + b */
    HOI_EXP,
    HOI_LOG,
    HOI_SQRT,
    HOI_SQUARE,
    HOI_ABS,
    HOI_QUICK_GELU_OF,
    HOI_GELU_OF,
    HOI_LEAKY, /* a x below 0; a = 0: relu */
    HOI_SIGMOID,
    HOI_TANH,
    HOI_SOFTPLUS,
    HOI_RECIPROCAL,
    HOI_CLAMP, /* to a..b */
    HOI_SIN,
    HOI_COS,
    HOI_POWER, /* x^a */
    HOI_ELU,
    HOI_HALF /* the nearest value of 16 bits; the gradient too */
} hoi_unary;
typedef enum hoi_binary {
    HOI_ADD,
    HOI_SUBTRACT,
    HOI_MULTIPLY,
    HOI_DIVIDE,
    HOI_GREATER_OF,
    HOI_LESS_OF,
    HOI_GREATER,
    HOI_GREATER_EQUAL,
    HOI_EQUAL
} hoi_binary;
typedef enum hoi_reduction { HOI_SUM, HOI_MAX } hoi_reduction;

/* ---- matrix products ---- */

/* A matrix as gemm wants its right side: column panels of `width`, zeros past the last column.
   Panels of one column are the turned matrix, (n, k), as it lies. */
typedef struct hoi_pack {
    hoi_span span;
    hoi_storage_type type;
    int width;   /* columns of a panel */
    int64_t row; /* 0: packed; else the matrix itself, (k, n) with rows so far apart */
} hoi_pack;

/* True where gemm reads any matrix about as fast as a packed one; such devices pack nothing. */
bool launch_pack_needless(const hoi_device *device);
/* Gets the elements of a pack of a (k, n) matrix, and sets its width. */
int64_t launch_pack_size(hoi_device *device, int n, int k, hoi_pack *pack);
/* Takes a float matrix (k, n) as it lies, for a product with A across. False where the kernels want
   it packed there too (no failure). */
bool launch_pack_in_place(hoi_device *device, hoi_span in, int n, hoi_pack *pack);
/* Packs `count` matrices. across 0: in is (k, n), element (k, n) at k * lead + n; 1: in is (n, k),
   at n * lead + k. in_step, out_step: elements from one matrix to the next. */
bool launch_pack(hoi_device *device, hoi_span in, bool across, int lead, int n, int k, int count,
                 int64_t in_step, int64_t out_step, const hoi_pack *out);

/* out (n, k) = the values of a pack of one matrix that was packed across, pairs or not. */
bool launch_unpack(hoi_device *device, const hoi_pack *in, int n, int k, hoi_span out);

/* Packs for y W, (n, k) being W's shape, what is packed for x W': floats, on processors. */
bool launch_turn_pack(hoi_device *device, const hoi_pack *in, int n, int k, const hoi_pack *out);

/* True where products of bfloat16 are faster than those of floats: processors with AVX-512 BF16
   (and AMX), tensor cores. Else false after hoi_fail: the message tells what is missing. The
   environment's HOI_TENSOR_CORES=0 leaves AMX out. */
bool launch_bfloat(hoi_device *device);
/* Whether sums over k can be of pairs; else, and on graphics processors, a plain pack is wanted. */
bool launch_pairs_fit(const hoi_device *device, int k);
/* Gets the elements of a pack of pairs of a bfloat16 matrix (n, k), and sets its type and width. */
int64_t launch_pairs_size(int n, int k, hoi_pack *pack);
/* Packs such a matrix. A product with it rounds the other side as well; sums are of floats. */
bool launch_pairs(hoi_device *device, hoi_span in, int n, int k, const hoi_pack *out);

/* Windows of pictures (pictures, height, width, channels): kernel x kernel values of each channel,
   `stride` apart, zeros `pad` wide around; places: pictures * rows * columns. */
typedef struct hoi_windows {
    int pictures, height, width, channels, kernel, stride, pad, rows, columns;
} hoi_windows;

typedef struct hoi_gemm {
    int m, n, k, count;
    hoi_span a;
    const hoi_windows *windows; /* not NULL: a is pictures, and A their windows (launch_conv) */
    /* false: (m, k), element (m, k) at m * a_row + k. true: at m + k * a_row, and of the rest only b,
       c, accumulate and sums are heeded */
    bool a_across;
    int64_t a_row, a_step;
    hoi_pack b;
    int64_t b_step;
    hoi_span c; /* (m, n), rows c_row apart */
    int64_t c_row, c_step;
    hoi_span bias, residual, before; /* buffer NULL: none. residual and before are laid out as c */
    bool residual_first;             /* the activation is of the sum with the residual */
    hoi_activation activation;
    float alpha;
    bool accumulate;
    hoi_span sums; /* A across, a_row m, count 1: gets the sums of A over k, (m), or none */
    bool back;   /* C = act'(before) alpha A B instead: `before` is read; bias and the rest: none */
    bool bfloat; /* A and B may be rounded to bfloat16, where the device is faster for it */
} hoi_gemm;
/* C = act(alpha A B + bias) + residual (+ C); `before` gets the value before the activation. */
bool launch_gemm(hoi_device *device, const hoi_gemm *g);
/* sums (m) = those of the columns of a (k, m), with the bits of a product's `sums`. */
bool launch_column_sums(hoi_device *device, hoi_span a, int k, int m, hoi_span sums);
/* dx = act'(before) dy, n values; dx may be dy. */
bool launch_activation_back(hoi_device *device, hoi_activation activation, hoi_span before,
                            hoi_span dy, hoi_span dx, int64_t n);
/* True where graphics processors multiply bfloat16 in tensor cores: tried out by the first call, as
   what drivers say does not tell. The environment's HOI_TENSOR_CORES: 0, none; emulated: the same
   kernel in plain C, slow, for tests. */
bool launch_tensor_cores(hoi_device *device);
/* The same with A = the windows of pictures g->a, (places, kernel * kernel * channels), gathered
   piece by piece; of g all but m, k, count, windows and what lays out A is given. */
bool launch_conv(hoi_device *device, const hoi_windows *w, const hoi_gemm *g);
/* The same by Winograd's transform, where it saves time: kernels of 3 x 3 and many channels. b of g
   is 16 packs, b_step apart, of u (16, out, channels), which launch_winograd_weights makes of w
   (out, 3, 3, channels). residual is added before the activation, HOI_LINEAR or HOI_RELU. */
bool launch_winograd_pays(const hoi_device *device, const hoi_windows *w);
bool launch_winograd_weights(hoi_device *device, hoi_span w, hoi_span u, int n, int channels);
bool launch_winograd(hoi_device *device, const hoi_windows *w, const hoi_gemm *g);

/* ---- attention ---- */

/* Rows of one of q, k, v, o: `row` apart within a picture, pictures `step` apart. */
typedef struct hoi_lines {
    hoi_span span;
    int64_t row, step;
} hoi_lines;
typedef struct hoi_attention {
    int pictures, heads, queries, keys, d; /* d: width of a head */
    hoi_lines q, k, v, o;
    hoi_lines mask; /* additive (queries, keys) per picture; row or step 0 repeats it; buffer NULL:
                       none */
    hoi_span lse;   /* (pictures, heads, queries) */
    bool causal;
    bool rounds; /* forward may round q, k, v and the shares to bfloat16, where that is faster */
    float scale;
} hoi_attention;
bool launch_attention(hoi_device *device, const hoi_attention *a);
/* dq, dk, dv are laid out as q, k, v; go as o. */
bool launch_attention_back(hoi_device *device, const hoi_attention *a, hoi_span go, hoi_span dq,
                           hoi_span dk, hoi_span dv);

/* ---- pointwise ---- */
bool launch_unary(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y,
                  int64_t n);
bool launch_unary_back(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y,
                       hoi_span dy, hoi_span dx, int64_t n);
/* y (rows, cols); an operand's steps per row and column: as in memory, or 0 to repeat. */
typedef struct hoi_operand {
    hoi_span span;
    int64_t row;
    int col;
} hoi_operand;
bool launch_binary(hoi_device *device, hoi_binary op, hoi_operand a, hoi_operand b, hoi_span y,
                   int64_t rows, int64_t cols);
bool launch_choose(hoi_device *device, hoi_span c, hoi_span a, hoi_span b, hoi_span y, int64_t n);
bool launch_accumulate(hoi_device *device, float scale, hoi_span x, hoi_span y,
                       int64_t n); /* y += scale x */
bool launch_fill(hoi_device *device, hoi_span y, int64_t n, float value);
bool launch_widen(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span y, int64_t n);

/* ---- rows ---- */
bool launch_softmax(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols,
                    bool logged);
bool launch_softmax_back(hoi_device *device, hoi_span y, hoi_span dy, hoi_span dx, int64_t rows,
                         int64_t cols, bool logged);
bool launch_layer_norm(hoi_device *device, hoi_span x, hoi_span gain, hoi_span bias, hoi_span y,
                       hoi_span kept, int64_t rows, int64_t cols, float eps);
bool launch_layer_norm_back(hoi_device *device, hoi_span x, hoi_span gain, hoi_span kept,
                            hoi_span dy, hoi_span dx, int64_t rows, int64_t cols);
/* out (2, cols): gradients of gain and bias. */
bool launch_layer_norm_sums(hoi_device *device, hoi_span x, hoi_span kept, hoi_span dy,
                            hoi_span out, int64_t rows, int64_t cols);
bool launch_normalize(hoi_device *device, hoi_span x, hoi_span y, hoi_span kept, int64_t rows,
                      int64_t cols, float eps);
bool launch_normalize_back(hoi_device *device, hoi_span y, hoi_span kept, hoi_span dy, hoi_span dx,
                           int64_t rows, int64_t cols);
bool launch_cumulate(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols,
                     bool backward);
/* y (outer, inner) = scale * reduction over n of x (outer, n, inner). */
bool launch_reduce(hoi_device *device, hoi_reduction op, float scale, hoi_span x, hoi_span y,
                   int64_t outer, int64_t n, int64_t inner);

/* ---- moving ---- */
enum { HOI_STRIDED = 6 };
/* Copies a block of `shape` between steps, outermost first. */
bool launch_strided(hoi_device *device, const int64_t shape[HOI_STRIDED], hoi_span x,
                    const int64_t in[HOI_STRIDED], hoi_span y, const int64_t out[HOI_STRIDED]);
/* index: int32 in device memory. */
bool launch_rows(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span index, hoi_span y,
                 int64_t m, int64_t cols);
bool launch_rows_back(hoi_device *device, hoi_span dy, hoi_span start, hoi_span order, hoi_span dx,
                      int64_t n, int64_t cols);
bool launch_take(hoi_device *device, hoi_span x, hoi_span index, hoi_span y, int64_t rows,
                 int64_t cols, int64_t m);
bool launch_take_back(hoi_device *device, hoi_span dy, hoi_span index, hoi_span dx, int64_t rows,
                      int64_t cols, int64_t m);
typedef struct hoi_patches {
    int pictures, channels, height, width, kernel, stride, pad;
    int step[4]; /* of a picture, channel, row, column of x */
} hoi_patches;
bool launch_unfold(hoi_device *device, const hoi_patches *p, hoi_span x, hoi_span y);
bool launch_fold(hoi_device *device, const hoi_patches *p, hoi_span dy, hoi_span dx);
/* The windows of `count` places from `first` on, (count, kernel * kernel * channels). */
bool launch_windows(hoi_device *device, const hoi_windows *w, hoi_span x, hoi_span y, int64_t first,
                    int64_t count);
/* The pullback: adds to dx the windows of `count` lines (rows of places) from `first` on. */
bool launch_windows_back(hoi_device *device, const hoi_windows *w, hoi_span dy, hoi_span dx,
                         int64_t first, int64_t count);
/* y (places, channels): the greatest value of each window, or its mean (zeros outside). */
bool launch_pool(hoi_device *device, const hoi_windows *w, bool most, hoi_span x, hoi_span y);
bool launch_pool_back(hoi_device *device, const hoi_windows *w, bool most, hoi_span x, hoi_span y,
                      hoi_span dy, hoi_span dx);
bool launch_bytes(hoi_device *device, hoi_span x, hoi_span y, int pictures, int height, int width,
                  const float scale[3], const float shift[3]);

/* ---- training ---- */
/* A parameter p of n values, its gradient g, and what an optimiser keeps of it: SGD only m. */
typedef struct hoi_update {
    hoi_span p, g, m, v;
    int64_t n;
    float rate, decay;
} hoi_update;
typedef struct hoi_adamw_step {
    float beta1, beta2, eps, correction1, correction2;
} hoi_adamw_step;
/* Sums of squares of parts of all gradients into `partial`, launch_squares_count of each. */
bool launch_squares(hoi_device *device, const hoi_update *list, int count, hoi_span partial);
int launch_squares_count(int64_t n);
bool launch_clip_scale(hoi_device *device, hoi_span partial, hoi_span norm, int n, float most);
bool launch_adamw(hoi_device *device, const hoi_update *list, int count, hoi_span norm,
                  const hoi_adamw_step *step);
bool launch_sgd(hoi_device *device, const hoi_update *u, hoi_span norm, float momentum);

/* Steps of CLIP-Adapter's training on features (processors only): see cpu/adapter.cl. */
typedef struct hoi_adapter_size {
    int64_t width, hidden, classes; /* of features, of the bottleneck; filled up with zeros */
    int64_t rows;                   /* of a batch, filled up */
    int64_t text_row;               /* from one row of the text to the next */
    int64_t room;                   /* floats to work in */
    int64_t groups, counters;       /* work-groups; integers a step counts with */
} hoi_adapter_size;
/* Fills up the true width, hidden and classes in *size, and sets the rest. False where the device
   has no such kernels (no failure). */
bool launch_adapter_size(const hoi_device *device, int64_t batch, hoi_adapter_size *size);

typedef struct hoi_adapter_weights {
    hoi_span values, first, second; /* second: AdamW */
    float rate, decay;              /* rate: a factor of the step's */
} hoi_adapter_weights;
typedef struct hoi_adapter_steps {
    hoi_adapter_size size;
    int64_t steps, batch, count, classes; /* count: samples of all steps; the true classes */
    bool last, adam;                      /* last: a ReLU behind the second layer; adam: else SGD */
    float alpha, scale;
    float beta1, beta2, eps;      /* SGD: beta1 is the momentum */
    hoi_span features, text;      /* (n, width), (filled classes, text_row) */
    hoi_span places, labels;      /* int32: samples of the steps; class of each sample */
    hoi_adapter_weights down, up; /* (hidden, width), (width, hidden) */
    hoi_span x, go;               /* (rows, width) of a step */
    hoi_span hidden, inner;       /* (rows, hidden) */
    hoi_span losses;              /* (rows): added to */
    hoi_span room;
    hoi_span numbers;  /* (steps, 3): rate; what AdamW's means are multiplied by */
    hoi_span counters; /* int32 zeros (steps, counters) */
} hoi_adapter_steps;
bool launch_adapter(hoi_device *device, const hoi_adapter_steps *steps);

typedef enum hoi_noise { HOI_UNIFORM, HOI_NORMAL, HOI_DROP } hoi_noise;
bool launch_random(hoi_device *device, hoi_noise kind, uint64_t key, float a, float b, hoi_span y,
                   int64_t n);

/* ---- measuring ---- */

/* Runs multiply-adds in registers alone on `units` of the device's units; *flops gets how many
   operations these are. */
bool launch_probe(hoi_device *device, int units, int64_t rounds, double *flops);

#endif
