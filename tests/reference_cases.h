/* reference_cases: where each operation is tried: awkward sizes, every option, nothing at all. */
#ifndef REFERENCE_CASES_H
#define REFERENCE_CASES_H

#include "opencl/launch.h"
#include "tests/reference.h"

#define CASES(name) static const reference_case name##_cases[]

CASES(value) = {{.in = "s"},  {.in = "1"},      {.in = "2x5"},    {.in = "31"}, {.in = "l32"},
                {.in = "33"}, {.in = "l63x65"}, {.in = "3x1111"}, {.in = "0x3"}};
CASES(positive) = {{.in = "+s"}, {.in = "+2x5"}, {.in = "+31"}, {.in = "+3x1111"}, {.in = "0x3"}};
CASES(scale) = {{.in = "s", .f = {2, 1}},
                {.in = "2x5", .f = {-1, 0}},
                {.in = "31", .f = {0, 3}},
                {.in = "65x33", .f = {0.5f, -2}},
                {.in = "0", .f = {2, 1}}};
CASES(leaky) = {
    {.in = "s"}, {.in = "33"}, {.in = "5x63", .f = {0.2f}}, {.in = "3x1111", .f = {0.01f}}};
CASES(reciprocal) = {{.in = "ws"}, {.in = "w5x33"}, {.in = "w3x1111"}};
CASES(clamp) = {
    {.in = "s", .f = {-0.5f, 0.7f}}, {.in = "65", .f = {0, 1}}, {.in = "l5x31", .f = {-10, 3}}};
CASES(power) = {{.in = "33", .f = {3}},   {.in = "c31", .f = {2}},     {.in = "c5", .f = {1}},
                {.in = "w65", .f = {-1}}, {.in = "+197", .f = {0.5f}}, {.in = "w3x1111", .f = {2}}};

/* each side repeated alone, both, in the middle, and in a pattern of its own */
CASES(pair) = {{.in = "s s"},           {.in = "1 1"},
               {.in = "3x5 3x5"},       {.in = "3x5 5"},
               {.in = "5 3x5"},         {.in = "3x5 s"},
               {.in = "s 3x5"},         {.in = "33x31 33x1"},
               {.in = "64x1 1x65"},     {.in = "2x3x5 3x1"},
               {.in = "2x1x5 1x3x1"},   {.in = "4x1x3x1 5x1x2"},
               {.in = "2x3x4 1x3x1"},   {.in = "2x1x2x1x3x1 1x2x1x3x1x2"},
               {.in = "197x64 64"},     {.in = "64x65 64x1"},
               {.in = "2x5000 5000"},   {.in = "5000 1"},
               {.in = "33x197 33x197"}, {.in = "0x5 5"},
               {.in = "1 3x0"},         {.in = "3x1x2 0x2"}};
CASES(quotient) = {{.in = "s ws"},         {.in = "3x5 w5"},         {.in = "5 w3x5"},
                   {.in = "33x31 w33x1"},  {.in = "64x1 w1x65"},     {.in = "2x3x4 w1x3x1"},
                   {.in = "2x1x5 w1x3x1"}, {.in = "197x64 w197x64"}, {.in = "0x5 w5"}};
CASES(extreme) = {{.in = "s s"},           {.in = "3x5 5"},       {.in = "33x31 33x1"},
                  {.in = "64x1 1x65"},     {.in = "2x3x4 1x3x1"}, {.in = "t5x33 t5x33"},
                  {.in = "197x64 197x64"}, {.in = "0x5 5"}};
CASES(compare) = {{.in = "s s", .n = {HOI_GREATER}},
                  {.in = "t3x5 t5", .n = {HOI_GREATER}},
                  {.in = "t33x31 t33x1", .n = {HOI_GREATER_EQUAL}},
                  {.in = "t197x64 s", .n = {HOI_GREATER_EQUAL}},
                  {.in = "t64x1 t1x65", .n = {HOI_EQUAL}},
                  {.in = "0x5 5", .n = {HOI_EQUAL}}};
CASES(where) = {{.in = "cs s s"},         {.in = "c3x5 3x5 3x5"},       {.in = "c3x1 5 s"},
                {.in = "c5 3x5 3x1"},     {.in = "c2x1x33 3x1 s"},      {.in = "cs 3x5 5"},
                {.in = "c64x65 64x65 1"}, {.in = "c3x1111 3x1111 3x1"}, {.in = "c0x5 5 s"}};

CASES(reshape) = {{.in = "2x6", .n = {3, 3, 1, 4}},
                  {.in = "1", .n = {0}},
                  {.in = "s", .n = {2, 1, 1}},
                  {.in = "0x3", .n = {2, 5, 0}}};
CASES(permute) = {{.in = "3x5x7", .n = {2, 0, 1}},
                  {.in = "64x65", .n = {1, 0}},
                  {.in = "2x3x4x5x2x3", .n = {5, 3, 1, 0, 2, 4}},
                  {.in = "1x197x33", .n = {0, 2, 1}},
                  {.in = "5x7x32", .n = {1, 0, 2}},
                  {.in = "7", .n = {0}},
                  {.in = "s", .n = {0}},
                  {.in = "0x3", .n = {1, 0}}};
CASES(expand) = {{.in = "5", .n = {3, 2, 3, 5}},       {.in = "3x1", .n = {3, 2, 3, 65}},
                 {.in = "s", .n = {3, 2, 3, 4}},       {.in = "1x5x1", .n = {5, 4, 2, 7, 5, 3}},
                 {.in = "3x5", .n = {2, 3, 5}},        {.in = "1x64", .n = {2, 197, 64}},
                 {.in = "2x1x33", .n = {3, 2, 5, 33}}, {.in = "1", .n = {2, 3, 0}}};
CASES(slice) = {{.in = "7x5", .n = {0, 2, 3}},    {.in = "7x5", .n = {1, 1, 3}},
                {.in = "3x7x33", .n = {1, 0, 5}}, {.in = "2x3x65", .n = {2, 31, 2}},
                {.in = "7", .n = {0, 6, 1}},      {.in = "5x197", .n = {1, 64, 133}},
                {.in = "3x4", .n = {1, 4, 0}},    {.in = "3x4x2", .n = {0, 0, 0}}};
CASES(pad) = {{.in = "7x5", .n = {0, 2, 3}},    {.in = "7x5", .n = {1, 1, 0}},
              {.in = "3x7x33", .n = {1, 0, 5}}, {.in = "2x3x65", .n = {2, 31, 2}},
              {.in = "7", .n = {0, 0, 0}},      {.in = "3x0", .n = {1, 2, 2}}};
CASES(concat) = {{.in = "2x3", .n = {1}},
                 {.in = "2x3 2x5 2x1", .n = {1}},
                 {.in = "3x2 1x2 5x2", .n = {0}},
                 {.in = "2x3x4 2x1x4", .n = {1}},
                 {.in = "5x31 5x33 5x65", .n = {1}},
                 {.in = "2x0 2x3", .n = {1}},
                 {.in = "1x3 1x3 2x3 1x3 3x3 1x3 1x3 1x3", .n = {0}}};
CASES(rows) = {{.in = "7x5", .index = "0 2 2 6"}, {.in = "5x33", .index = "4 4 4 4 4 0 1 4 0"},
               {.in = "h5x33", .index = "4 0 4"}, {.in = "b7x64", .index = "6 5 0 0"},
               {.in = "5", .index = "3 3 0"},     {.in = "3x2x65", .index = "2 1 0 1"},
               {.in = "1x1", .index = "0 0"},     {.in = "4x3", .index = ""},
               {.in = "3x0", .index = "1 1"}};
CASES(scatter) = {{.in = "4x5", .n = {7}, .index = "0 2 2 6"},
                  {.in = "9x33", .n = {5}, .index = "4 4 4 4 4 0 1 4 0"},
                  {.in = "3", .n = {5}, .index = "3 3 0"},
                  {.in = "4x2x65", .n = {3}, .index = "2 1 0 1"},
                  {.in = "0x5", .n = {3}, .index = ""}};
CASES(take) = {{.in = "3x5", .n = {2}, .index = "0 4 1 1 2 2"},
               {.in = "7", .n = {3}, .index = "1 1 6"},
               {.in = "2x1x33", .n = {5}, .index = "32 0 0 31 0 5 5 5 5 5"},
               {.in = "5x1", .n = {1}, .index = "0 0 0 0 0"},
               {.in = "3x5", .n = {0}, .index = ""},
               {.in = "0x5", .n = {2}, .index = ""},
               {.in = "3x0", .n = {0}, .index = ""}};
CASES(unfold) = {{.in = "2x3x8x8", .n = {4, 4, 0}},    {.in = "1x2x7x9", .n = {3, 2, 1}},
                 {.in = "2x7x9x2", .n = {3, 1, 1, 1}}, {.in = "1x1x5x5", .n = {5, 1, 0}},
                 {.in = "1x2x5x4", .n = {2, 3, 2}},    {.in = "1x3x33x31", .n = {3, 2, 1}},
                 {.in = "1x9x8x3", .n = {4, 3, 0, 1}}, {.in = "2x2x3x3", .n = {1, 1, 0}},
                 {.in = "0x2x3x3", .n = {2, 1, 0}}};

CASES(sum) = {
    {.in = "s", .n = {-1}},       {.in = "1", .n = {0, 1}},      {.in = "3x5x7", .n = {0}},
    {.in = "3x5x7", .n = {1, 1}}, {.in = "3x5x7", .n = {2}},     {.in = "3x5x7", .n = {-1}},
    {.in = "64x65", .n = {1, 1}}, {.in = "197x33", .n = {0}},    {.in = "9000", .n = {0}},
    {.in = "5000x3", .n = {0}},   {.in = "2x1500x33", .n = {1}}, {.in = "70x1100x2", .n = {1, 1}},
    {.in = "0x3", .n = {1}}};
CASES(empty_sum) = {{.in = "3x0x5", .n = {1}}, {.in = "0x3", .n = {0}}, {.in = "0", .n = {-1}}};
CASES(max) = {
    {.in = "s", .n = {-1}},        {.in = "3x5x7", .n = {0}},    {.in = "3x5x7", .n = {1, 1}},
    {.in = "t3x5x33", .n = {2}},   {.in = "3x5x7", .n = {-1}},   {.in = "9000", .n = {0}},
    {.in = "2x1500x33", .n = {1}}, {.in = "64x65", .n = {1, 1}}, {.in = "0x3", .n = {1}}};
CASES(row) = {{.in = "1"},     {.in = "3x1"},   {.in = "5x2"},   {.in = "2x3x5"},
              {.in = "5x31"},  {.in = "l5x32"}, {.in = "3x33"},  {.in = "1x63"},
              {.in = "64x64"}, {.in = "31x65"}, {.in = "5x197"}, {.in = "l2x1111"},
              {.in = "m9x33"}, {.in = "m4x1"},  {.in = "300x5"}, {.in = "2x4300"},
              {.in = "0x3"}};
CASES(layer_norm) = {{.in = "1 1 1", .f = {1e-5f}},         {.in = "3x2 2 2", .f = {1e-5f}},
                     {.in = "2x3x5 5 5", .f = {1e-5f}},     {.in = "5x31 31 31", .f = {1e-5f}},
                     {.in = "l5x32 32 32", .f = {1e-5f}},   {.in = "1x33 33 33", .f = {1e-12f}},
                     {.in = "300x63 63 63", .f = {1e-5f}},  {.in = "700x5 5 5", .f = {1e-5f}},
                     {.in = "64x64 64 64", .f = {0.1f}},    {.in = "31x65 65 65", .f = {1e-5f}},
                     {.in = "5x197 197 197", .f = {1e-5f}}, {.in = "0x5 5 5", .f = {1e-5f}}};
CASES(normalize) = {
    {.in = "w1", .f = {1e-12f}},  {.in = "3x2", .f = {1e-12f}}, {.in = "2x3x5", .f = {1e-12f}},
    {.in = "5x31", .f = {1e-6f}}, {.in = "l33x64", .f = {0}},   {.in = "65x197", .f = {1e-12f}},
    {.in = "3x5", .f = {10}},     {.in = "5x33", .f = {100}},   {.in = "0x3", .f = {1e-12f}}};
CASES(cumsum) = {{.in = "1"}, {.in = "2x3x5"}, {.in = "33x31"}, {.in = "3x197"}, {.in = "0x3"}};
CASES(inverse) = {
    {.in = "d1x1"}, {.in = "d2x2"}, {.in = "d5x5"}, {.in = "d17x17"}, {.in = "d33x33"}};

CASES(matmul) = {{.in = "1x1 1x1"},         {.in = "2x3 3x5"},       {.in = "31x33 33x32"},
                 {.in = "64x65 65x63"},     {.in = "5x197 197x33"},  {.in = "1x197 197x64"},
                 {.in = "197x64 64x1"},     {.in = "600x5 5x33"},    {.in = "2x5x31 2x31x7"},
                 {.in = "3x4x5 5x6"},       {.in = "5x6 3x6x4"},     {.in = "1x5x6 3x6x4"},
                 {.in = "2x1x3x4 1x3x4x2"}, {.in = "2x3x4x5 3x5x2"}, {.in = "2x3x4x5 1x1x5x33"},
                 {.in = "2x1x70x33 33x50"}, {.in = "4x0 0x5"},       {.in = "0x3 3x5"},
                 {.in = "2x0x3 3x5"},       {.in = "3x5 5x0"},       {.in = "0x2x3 0x3x2"}};
/* every activation with and without the options; every width of a column panel */
CASES(linear) = {{.in = "7 5x7 5 5"},
                 {.in = "1x1 1x1 1 1x1", .n = {HOI_QUICK_GELU}},
                 {.in = "2x5x31 33x31 - -"},
                 {.in = "2x5x31 33x31 33 -", .n = {HOI_GELU}},
                 {.in = "2x5x31 33x31 - 2x5x33", .n = {HOI_QUICK_GELU}},
                 {.in = "197x64 65x64 65 197x65", .n = {HOI_RELU}},
                 {.in = "197x65 64x65 64 197x64", .n = {HOI_GELU}},
                 {.in = "600x33 63x33 63 600x63", .n = {HOI_QUICK_GELU}},
                 {.in = "5x64 197x64 197 -"},
                 {.in = "13x5 2x5 2 -"},
                 {.in = "5x33 16x33 16 5x16"},
                 {.in = "9x5 17x5 - -", .n = {HOI_RELU}},
                 {.in = "1100x96 31x96 31 -"},
                 {.in = "7x2 48x2 48 7x48", .n = {HOI_GELU}},
                 {.in = "6x3 49x3 - 6x49"},
                 {.in = "8x1 96x1 96 -"},
                 {.in = "12x5 97x5 97 12x97", .n = {HOI_QUICK_GELU}},
                 {.in = "63x32 h31x32 31 -"},
                 {.in = "63x65 h64x65 64 63x64", .n = {HOI_QUICK_GELU}},
                 {.in = "63x32 b31x32 31 63x31", .n = {HOI_GELU}},
                 {.in = "5x33 b97x33 - -"},
                 {.in = "150x40 132x40 132 150x132", .n = {HOI_RELU}}, /* 128 x 128 at once */
                 {.in = "131x37 h257x37 257 -", .n = {HOI_QUICK_GELU}},
                 {.in = "0x5 3x5 3 0x3", .n = {HOI_GELU}},
                 {.in = "4x0 3x0 3 4x3"},
                 {.in = "4x5 0x5 0 4x0"}};
/* kernels of 1, 2, 3, 5, 7; every stride and pad; widths of a panel and beside it; F16 and BF16 */
CASES(conv2d) = {{.in = "1x1x1x1 1x1x1x1 - -", .n = {1}},
                 {.in = "2x5x7x3 5x3x3x3 5 -", .n = {1, 1, HOI_RELU}},
                 {.in = "1x9x8x3 4x7x7x3 4 -", .n = {2, 3, HOI_RELU}},
                 {.in = "2x6x5x17 33x1x1x17 33 2x6x5x33", .n = {1, 0, HOI_RELU}},
                 {.in = "1x7x6x16 16x1x1x16 - -", .n = {2}},
                 {.in = "2x7x6x5 65x3x3x5 - 2x4x3x65", .n = {2, 1}},
                 {.in = "1x13x11x32 64x3x3x32 64 1x13x11x64", .n = {1, 1, HOI_RELU}},
                 {.in = "3x4x4x33 48x2x2x33 48 -", .n = {1}},
                 {.in = "1x5x6x2 3x5x5x2 3 1x3x3x3", .n = {2, 2}},
                 {.in = "1x4x3x600 7x3x3x600 7 -", .n = {1, 1}},
                 {.in = "2x5x5x18 h31x3x3x18 31 -", .n = {3, 1, HOI_RELU}},
                 {.in = "1x6x4x20 b64x3x3x20 - -", .n = {1, 2}},
                 {.in = "1x2x3x1200 5x1x1x1200 5 -", .n = {2}},
                 {.in = "2x10x9x128 5x3x3x128 5 -", .n = {1, 1, HOI_RELU}},
                 {.in = "1x13x15x131 17x3x3x131 - 1x11x13x17", .n = {1, 0}},
                 {.in = "3x7x8x128 3x3x3x128 3 3x9x10x3", .n = {1, 2, HOI_RELU}},
                 {.in = "0x5x5x3 4x3x3x3 4 -", .n = {1, 1, HOI_RELU}},
                 {.in = "2x4x4x3 0x3x3x3 0 -", .n = {1, 1}}};
CASES(pool) = {{.in = "1x2x2x1", .n = {2, 2}},     {.in = "2x6x8x5", .n = {2, 2}},
               {.in = "1x7x9x33", .n = {3, 2, 1}}, {.in = "2x5x5x16", .n = {3, 1, 1}},
               {.in = "1x9x7x20", .n = {3, 3, 0}}, {.in = "1x5x4x65", .n = {2, 1, 1}},
               {.in = "3x4x4x3", .n = {1, 2}},     {.in = "1x11x10x7", .n = {5, 2, 2}},
               {.in = "0x4x4x3", .n = {2, 2}}};
CASES(attention) = {{.in = "1x1x3 - - -", .n = {1}},
                    {.in = "2x5x24 - - -", .n = {1}},
                    {.in = "2x7x30 - - -", .n = {2, 1}},
                    {.in = "1x33x72 - - -", .n = {3}},
                    {.in = "1x31x72 - - m31x31", .n = {2, 1}},
                    {.in = "1x65x192 - - -", .n = {1}},
                    {.in = "2x32x192 - - m1x1x32", .n = {1, 1}},
                    {.in = "1x197x48 - - -", .n = {2}},
                    {.in = "1x197x24 - - m197x197", .n = {1, 1}},
                    {.in = "1x100x15 - - m1x100x100", .n = {5}},
                    {.in = "2x5x16 2x9x16 2x9x16 -", .n = {2}},
                    {.in = "2x9x16 2x5x16 2x5x16 -", .n = {2, 1}},
                    {.in = "2x5x16 2x9x16 2x9x16 -", .n = {2, 1}},
                    {.in = "1x33x24 1x65x24 1x65x24 m33x65", .n = {3}},
                    {.in = "3x2x10 3x33x10 3x33x10 m3x1x33", .n = {2}},
                    {.in = "2x63x24 2x64x24 2x64x24 m2x63x64", .n = {2}},
                    {.in = "2x1x64 2x50x64 2x50x64 m2x1x50", .n = {1}},
                    {.in = "1x1x8 1x1x8 1x1x8 m1x1", .n = {1}},
                    {.in = "2x3x8 2x0x8 2x0x8 -", .n = {2}},
                    {.in = "2x0x8 2x3x8 2x3x8 -", .n = {2}},
                    {.in = "0x3x24 - - -", .n = {2}},
                    {.in = "2x7x24 - - m4x7", .n = {2, 0, 3}},
                    {.in = "3x14x48 - - m3x1x14", .n = {2, 0, 13}},
                    {.in = "1x70x24 - - -", .n = {1, 0, 5}},
                    {.in = "2x4x24 - - -", .n = {2, 0, 4}}};

#endif
