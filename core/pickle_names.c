/* pickle_names: what the names in a pickle of tensors mean. */
#include "core/pickle_machine.h"

#include <string.h>

/* ------------------------------------------------------------------ which names are harmless */

/* Modules whose objects mean nothing to us and can be passed over: training states hold them. A
   star stands for what is below a module. */
static const char *const known_modules[] = {
    "torch",    "torch.*", "__torch__", "__torch__.*", "collections", "numpy",  "numpy.*",
    "argparse", "yacs.*",  "pathlib",   "datetime",    "copyreg",     "_codecs"};

static const char *const known_builtins[] = {"object", "set",       "frozenset", "list",  "tuple",
                                             "dict",   "int",       "float",     "bool",  "str",
                                             "bytes",  "bytearray", "complex",   "slice", "range"};

static bool is_known(const char *module, const char *name) {
    if (strcmp(module, "builtins") == 0 || strcmp(module, "__builtin__") == 0) {
        for (size_t i = 0; i < sizeof known_builtins / sizeof *known_builtins; i++)
            if (strcmp(name, known_builtins[i]) == 0)
                return true;
        return false;
    }
    for (size_t i = 0; i < sizeof known_modules / sizeof *known_modules; i++) {
        size_t length = strlen(known_modules[i]);
        if (known_modules[i][length - 1] == '*' ? strncmp(module, known_modules[i], length - 1) == 0
                                                : strcmp(module, known_modules[i]) == 0)
            return true;
    }
    return false;
}

hoi_pickle_value *pickle_global(pickle_machine *m, const char *module, const char *name) {
    if (!is_known(module, name)) {
        pickle_fail(m,
                    "it asks for '%.80s.%.80s', which no file of tensors needs: nothing was run. "
                    "Save the model's state_dict() alone",
                    module, name);
        return NULL;
    }
    size_t module_size = strlen(module), name_size = strlen(name);
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_GLOBAL);
    char *text = value ? pickle_memory(m, module_size + name_size + 2) : NULL;
    if (!text)
        return NULL;
    memcpy(text, module, module_size);
    text[module_size] = ' ';
    memcpy(text + module_size + 1, name, name_size);
    value->text = text;
    return value;
}

static bool named(const hoi_pickle_value *value, const char *text) {
    return value->kind == HOI_PICKLE_GLOBAL && strcmp(value->text, text) == 0;
}

/* ------------------------------------------------------------------ tensors */

static const struct {
    const char *name;
    hoi_dtype dtype;
} storages[] = {
    {"FloatStorage", HOI_F32},  {"HalfStorage", HOI_F16},        {"BFloat16Storage", HOI_BF16},
    {"DoubleStorage", HOI_F64}, {"LongStorage", HOI_I64},        {"IntStorage", HOI_I32},
    {"ShortStorage", HOI_I16},  {"CharStorage", HOI_I8},         {"ByteStorage", HOI_U8},
    {"BoolStorage", HOI_BOOL},  {"ComplexFloatStorage", HOI_C64}};

static bool storage_dtype(const hoi_pickle_value *class, hoi_dtype *dtype) {
    const char *space = class->kind == HOI_PICKLE_GLOBAL ? strchr(class->text, ' ') : NULL;
    if (!space || strncmp(class->text, "torch", 5) != 0)
        return false;
    for (size_t i = 0; i < sizeof storages / sizeof *storages; i++)
        if (strcmp(space + 1, storages[i].name) == 0) {
            *dtype = storages[i].dtype;
            return true;
        }
    return false;
}

/* ("storage", class, key, place, elements), and in old files what part of it is meant: None. */
hoi_pickle_value *pickle_persistent(pickle_machine *m, const hoi_pickle_value *id) {
    hoi_pickle_value *const *item = id->items;
    if (id->kind != HOI_PICKLE_TUPLE || id->count < 5 || item[0]->kind != HOI_PICKLE_TEXT ||
        strcmp(item[0]->text, "storage") != 0 || item[2]->kind != HOI_PICKLE_TEXT ||
        item[4]->kind != HOI_PICKLE_INTEGER || item[4]->integer < 0) {
        pickle_fail(m, "a persistent id that is no storage of PyTorch's");
        return NULL;
    }
    if (id->count > 5 && item[5]->kind != HOI_PICKLE_NONE) {
        pickle_fail(m, "a storage that is a part of another; save the file anew with a PyTorch of "
                       "1.6 or later");
        return NULL;
    }
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_STORAGE);
    hoi_pickle_storage *storage = value ? pickle_memory(m, sizeof *storage) : NULL;
    if (!storage)
        return NULL;
    if (!storage_dtype(item[1], &storage->dtype)) {
        pickle_fail(m, "a storage of type '%.80s'; FloatStorage and the like are known",
                    item[1]->kind == HOI_PICKLE_GLOBAL ? item[1]->text : "?");
        return NULL;
    }
    storage->key = item[2]->text;
    storage->elements = item[4]->integer;
    value->storage = storage;
    return value;
}

/* (storage, offset, shape, strides, ...) */
static hoi_pickle_value *rebuild_tensor(pickle_machine *m, const hoi_pickle_value *arguments) {
    hoi_pickle_value *const *item = arguments->items;
    if (arguments->count < 4 || item[0]->kind != HOI_PICKLE_STORAGE ||
        item[1]->kind != HOI_PICKLE_INTEGER || item[2]->kind != HOI_PICKLE_TUPLE ||
        item[3]->kind != HOI_PICKLE_TUPLE || item[2]->count != item[3]->count) {
        pickle_fail(m, "a tensor that is not made of storage, offset, shape and strides");
        return NULL;
    }
    if (item[2]->count > HOI_PICKLE_RANK) {
        pickle_fail(m, "a tensor of %zu dimensions, at most %d are known", item[2]->count,
                    HOI_PICKLE_RANK);
        return NULL;
    }
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_TENSOR);
    hoi_pickle_tensor *tensor = value ? pickle_memory(m, sizeof *tensor) : NULL;
    if (!tensor)
        return NULL;
    tensor->storage = item[0]->storage;
    tensor->offset = item[1]->integer;
    tensor->rank = (int)item[2]->count;
    for (int i = 0; i < tensor->rank; i++) {
        const hoi_pickle_value *length = item[2]->items[i], *stride = item[3]->items[i];
        if (length->kind != HOI_PICKLE_INTEGER || stride->kind != HOI_PICKLE_INTEGER) {
            pickle_fail(m, "a tensor whose shape is no list of whole numbers");
            return NULL;
        }
        tensor->shape[i] = length->integer;
        tensor->strides[i] = stride->integer;
    }
    value->tensor = tensor;
    return value;
}

/* ------------------------------------------------------------------ other calls */

static hoi_pickle_value *ordered_dict(pickle_machine *m, const hoi_pickle_value *arguments) {
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_DICT);
    const hoi_pickle_value *pairs = arguments->count ? arguments->items[0] : NULL;
    if (!pairs || pairs->kind != HOI_PICKLE_LIST)
        return value;
    for (size_t i = 0; value && i < pairs->count; i++) {
        const hoi_pickle_value *two = pairs->items[i];
        if ((two->kind != HOI_PICKLE_TUPLE && two->kind != HOI_PICKLE_LIST) || two->count != 2) {
            pickle_fail(m, "a dictionary made of what are no pairs");
            return NULL;
        }
        if (!pickle_add(m, value, two->items[0]) || !pickle_add(m, value, two->items[1]))
            return NULL;
    }
    return value;
}

/* NumPy's bytes in old protocols: text whose characters are below 256. */
static hoi_pickle_value *latin_bytes(pickle_machine *m, const hoi_pickle_value *text) {
    hoi_pickle_value *value = pickle_text(m, HOI_PICKLE_BYTES, text->text, text->count);
    char *to = value ? (char *)(uintptr_t)value->text : NULL;
    for (size_t i = 0; to && i < text->count; i++) {
        unsigned char c = (unsigned char)text->text[i];
        if (c >= 0xC2 && c <= 0xC3 && i + 1 < text->count)
            c = (unsigned char)((c & 3) << 6 | (text->text[++i] & 0x3F));
        *to++ = (char)c;
    }
    if (value)
        value->count = (size_t)(to - value->text);
    return value;
}

/* (dtype, bytes): a number; its dtype is an object whose state is what it was made with. */
static hoi_pickle_value *numpy_scalar(pickle_machine *m, const hoi_pickle_value *arguments) {
    hoi_pickle_value *const *item = arguments->items;
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_OPAQUE);
    if (!value || arguments->count < 2 || item[0]->kind != HOI_PICKLE_OBJECT || !item[0]->state ||
        item[0]->state->kind != HOI_PICKLE_TUPLE || !item[0]->state->count ||
        item[0]->state->items[0]->kind != HOI_PICKLE_TEXT ||
        (item[1]->kind != HOI_PICKLE_BYTES && item[1]->kind != HOI_PICKLE_TEXT))
        return value;
    const char *type = item[0]->state->items[0]->text;
    const hoi_pickle_value *bytes = item[1];
    float narrow;
    if (strcmp(type, "f8") == 0 && bytes->count == 8) {
        value->kind = HOI_PICKLE_REAL;
        memcpy(&value->real, bytes->text, 8);
    } else if (strcmp(type, "f4") == 0 && bytes->count == 4) {
        value->kind = HOI_PICKLE_REAL;
        memcpy(&narrow, bytes->text, 4);
        value->real = (double)narrow;
    } else if ((type[0] == 'i' || type[0] == 'u' || type[0] == 'b') && bytes->count <= 8 &&
               bytes->count > 0) {
        bool negative = type[0] == 'i' && bytes->text[bytes->count - 1] & 0x80;
        uint64_t bits = negative ? ~(uint64_t)0 : 0;
        for (size_t i = bytes->count; i-- > 0;)
            bits = bits << 8 | (unsigned char)bytes->text[i];
        value->kind = type[0] == 'b' ? HOI_PICKLE_BOOL : HOI_PICKLE_INTEGER;
        value->integer = (int64_t)bits;
    }
    return value;
}

/* Calls that give back what they are given. */
static const char *const transparent[] = {"torch._utils _rebuild_parameter",
                                          "torch._utils _rebuild_parameter_with_state",
                                          "torch Size",
                                          "torch.jit._pickle restore_type_tag",
                                          "torch.jit._pickle build_intlist",
                                          "torch.jit._pickle build_doublelist",
                                          "torch.jit._pickle build_boollist",
                                          "torch.jit._pickle build_tensorlist"};

hoi_pickle_value *pickle_call(pickle_machine *m, const hoi_pickle_value *function,
                              hoi_pickle_value *arguments) {
    if (arguments->kind != HOI_PICKLE_TUPLE) {
        pickle_fail(m, "a call without a tuple of arguments");
        return NULL;
    }
    /* (function, type, arguments, state): a tensor with a class of its own */
    for (int i = 0; i < 4 && named(function, "torch._tensor _rebuild_from_type_v2") &&
                    arguments->count >= 3 && arguments->items[2]->kind == HOI_PICKLE_TUPLE;
         i++) {
        function = arguments->items[0];
        arguments = arguments->items[2];
    }
    if (function->kind == HOI_PICKLE_OBJECT || function->kind == HOI_PICKLE_OPAQUE)
        return pickle_value(m, HOI_PICKLE_OPAQUE);
    if (function->kind != HOI_PICKLE_GLOBAL) {
        pickle_fail(m, "a call of what is no function");
        return NULL;
    }
    if (named(function, "torch._utils _rebuild_tensor_v2") ||
        named(function, "torch._utils _rebuild_tensor"))
        return rebuild_tensor(m, arguments);
    for (size_t i = 0; i < sizeof transparent / sizeof *transparent; i++)
        if (named(function, transparent[i]) && arguments->count >= 1)
            return arguments->items[0];
    if (named(function, "collections OrderedDict") || named(function, "collections defaultdict"))
        return ordered_dict(m, arguments);
    if (named(function, "_codecs encode") && arguments->count >= 1 &&
        arguments->items[0]->kind == HOI_PICKLE_TEXT)
        return latin_bytes(m, arguments->items[0]);
    if (named(function, "numpy.core.multiarray scalar") ||
        named(function, "numpy._core.multiarray scalar"))
        return numpy_scalar(m, arguments);
    hoi_pickle_value *value = pickle_instance(m, function);
    if (value && value->kind == HOI_PICKLE_OBJECT && named(function, "numpy dtype"))
        value->state = arguments;
    return value;
}

hoi_pickle_value *pickle_instance(pickle_machine *m, const hoi_pickle_value *class) {
    if (class->kind != HOI_PICKLE_GLOBAL) {
        pickle_fail(m, "an instance of what is no class");
        return NULL;
    }
    if (named(class, "collections OrderedDict") || named(class, "collections defaultdict"))
        return pickle_value(m, HOI_PICKLE_DICT);
    hoi_pickle_value *value = pickle_value(m, HOI_PICKLE_OBJECT);
    if (value)
        value->class = class;
    return value;
}

/* Attributes of dictionaries and tensors (state_dict's _metadata) are no data of ours. */
bool pickle_build(pickle_machine *m, hoi_pickle_value *instance, hoi_pickle_value *state) {
    (void)m;
    if (instance->kind == HOI_PICKLE_OBJECT && !named(instance->class, "numpy dtype")) {
        bool slots = state->kind == HOI_PICKLE_TUPLE && state->count == 2;
        instance->state = slots ? state->items[0] : state;
    }
    return true;
}
