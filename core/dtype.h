/* dtype: the types of elements in files, and half precision to and from float. */
#ifndef HOI_DTYPE_H
#define HOI_DTYPE_H

#include <stddef.h>
#include <stdint.h>

/* In the order of the reference writer of safetensors: its files keep arrays from the last of these
   to the first, so that each is aligned to its elements. F4 and F6, narrower than a byte, are not
   among them. */
typedef enum hoi_dtype {
    HOI_BOOL,
    HOI_U8,
    HOI_I8,
    HOI_F8_E5M2,
    HOI_F8_E4M3,
    HOI_F8_E8M0,
    HOI_I16,
    HOI_U16,
    HOI_F16,
    HOI_BF16,
    HOI_I32,
    HOI_U32,
    HOI_F32,
    HOI_C64, /* a pair of F32 */
    HOI_F64,
    HOI_I64,
    HOI_U64
} hoi_dtype;

#define HOI_DTYPES (HOI_U64 + 1)

/* Gets a type's name as files spell it ("F32"), and the bytes of one element. */
const char *hoi_dtype_name(hoi_dtype dtype);
size_t hoi_dtype_bytes(hoi_dtype dtype);

/* Converts between float and IEEE half or bfloat16: rounds to nearest, ties to even; keeps signs,
   subnormals, infinities; what is too large becomes infinite, a NaN stays a (quiet) NaN. */
float hoi_half_to_float(uint16_t half);
uint16_t hoi_float_to_half(float value);
float hoi_bf16_to_float(uint16_t bf16);
uint16_t hoi_float_to_bf16(float value);

#endif
