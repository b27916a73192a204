/* dnn: YOLO-like detectors in ONNX files, run by OpenCV's dnn. Four kinds of head are read, told
   apart by the shape of what the model puts out (and by the option `head` where that is not enough):

     yolox       (1, cells, 5 + classes)          offsets in cells, logarithms of sizes; BGR 0..255
     fastestdet  (1, 5 + classes, rows, columns)  cells of one size; BGR 0..1, picture squeezed
     yolov5      (1, boxes, 5 + classes)          boxes in pixels, with objectness; RGB 0..1
     yolov8      (1, 4 + classes, boxes)          boxes in pixels, without objectness; RGB 0..1

   Sources: Ge et al. 2021, "YOLOX"; dog-qiuqiu/FastestDet; the exports of ultralytics. */
#include "core/plugin.h"

#include <cjson/cJSON.h>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const char *const coco[] = {"person",        "bicycle",      "car",
                            "motorcycle",    "airplane",     "bus",
                            "train",         "truck",        "boat",
                            "traffic light", "fire hydrant", "stop sign",
                            "parking meter", "bench",        "bird",
                            "cat",           "dog",          "horse",
                            "sheep",         "cow",          "elephant",
                            "bear",          "zebra",        "giraffe",
                            "backpack",      "umbrella",     "handbag",
                            "tie",           "suitcase",     "frisbee",
                            "skis",          "snowboard",    "sports ball",
                            "kite",          "baseball bat", "baseball glove",
                            "skateboard",    "surfboard",    "tennis racket",
                            "bottle",        "wine glass",   "cup",
                            "fork",          "knife",        "spoon",
                            "bowl",          "banana",       "apple",
                            "sandwich",      "orange",       "broccoli",
                            "carrot",        "hot dog",      "pizza",
                            "donut",         "cake",         "chair",
                            "couch",         "potted plant", "bed",
                            "dining table",  "toilet",       "tv",
                            "laptop",        "mouse",        "remote",
                            "keyboard",      "cell phone",   "microwave",
                            "oven",          "toaster",      "sink",
                            "refrigerator",  "book",         "clock",
                            "vase",          "scissors",     "teddy bear",
                            "hair drier",    "toothbrush",   nullptr};

struct problem : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* ------------------------------------------------------------------ options */

struct settings {
    std::string model, head = "auto";
    int size = 0; /* 0: the model's own */
    double threshold = 0.1, nms = 0.45;
    std::vector<std::string> labels;
};

double share(const cJSON *option) {
    if (!cJSON_IsNumber(option) || !(option->valuedouble >= 0 && option->valuedouble <= 1))
        throw problem(std::string("option '") + option->string + "': a number in 0..1 wanted");
    return option->valuedouble;
}

std::string text(const cJSON *option) {
    if (!cJSON_IsString(option))
        throw problem(std::string("option '") + option->string + "': a string wanted");
    return option->valuestring;
}

settings read_settings(const char *options) {
    const std::unique_ptr<cJSON, void (*)(cJSON *)> json(cJSON_Parse(options), cJSON_Delete);
    if (!json)
        throw std::bad_alloc();
    settings s;
    const cJSON *option, *label;
    cJSON_ArrayForEach(option, json.get()) {
        const std::string name = option->string;
        if (name == "model")
            s.model = text(option);
        else if (name == "head")
            s.head = text(option);
        else if (name == "threshold")
            s.threshold = share(option);
        else if (name == "nms")
            s.nms = share(option);
        else if (name == "size") {
            if (!cJSON_IsNumber(option) || option->valueint < 32 || option->valueint > 4096 ||
                option->valueint % 32)
                throw problem("option 'size': a multiple of 32 from 32 to 4096 wanted");
            s.size = option->valueint;
        } else if (name == "labels") {
            cJSON_ArrayForEach(label, option) {
                if (!cJSON_IsString(label))
                    throw problem("option 'labels': a list of names wanted");
                s.labels.push_back(label->valuestring);
            }
        } else
            throw problem("option '" + name +
                          "' is not known (known: head, labels, model, nms, size, threshold)");
    }
    if (s.model.empty())
        throw problem("option 'model' is missing: the .onnx file of a YOLOX, FastestDet or YOLO");
    return s;
}

/* ------------------------------------------------------------------ what an ONNX file says */

std::vector<unsigned char> read_file(const std::string &path) {
    const std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    std::vector<unsigned char> bytes;
    size_t n = 0, got = 0;
    do {
        if (n > size_t{1} << 31)
            throw problem(path + ": more than 2 GB");
        bytes.resize(n + (size_t{1} << 20));
        got = file ? std::fread(bytes.data() + n, 1, bytes.size() - n, file.get()) : 0;
        n += got;
    } while (got > 0);
    if (!file || std::ferror(file.get()))
        throw problem(path + ": there is no such file, or it can not be read");
    bytes.resize(n);
    return bytes;
}

/* A message of protocol buffers, read field by field. */
struct message {
    const unsigned char *at, *end;
    uint64_t field = 0, value = 0; /* of a number */

    bool varint(uint64_t &number) {
        number = 0;
        for (int shift = 0; shift < 64 && at < end; shift += 7) {
            number |= static_cast<uint64_t>(*at & 0x7F) << shift;
            if (!(*at++ & 0x80))
                return true;
        }
        return false;
    }

    /* Goes to the next field, `inside` what lies in it; false at the end, or where it is no message.
     */
    bool next(message &inside) {
        uint64_t tag, size = 0;
        inside = {at, at};
        value = 0;
        if (!varint(tag))
            return false;
        field = tag >> 3;
        switch (tag & 7) {
        case 0:
            return varint(value);
        case 1:
            size = 8;
            break;
        case 2:
            if (!varint(size))
                return false;
            break;
        case 5:
            size = 4;
            break;
        default:
            return false;
        }
        if (size > static_cast<uint64_t>(end - at))
            return false;
        inside = {at, at + size};
        at += size;
        return true;
    }

    /* Goes to the next field of a number, which a message is. */
    bool find(uint64_t wanted, message &inside) {
        while (next(inside))
            if (field == wanted)
                return true;
        return false;
    }
};

/* Gets the size of the pictures that a model's file fixes, 0 x 0 where it leaves it open. OpenCV
   keeps that to itself. ModelProto.graph = 7, GraphProto.input = 11, ValueInfoProto.type = 2,
   TypeProto.tensor_type = 1, Tensor.shape = 2, TensorShapeProto.dim = 1, Dimension.dim_value = 1. */
cv::Size fixed_size(const std::vector<unsigned char> &bytes) {
    message model{bytes.data(), bytes.data() + bytes.size()}, graph, input, type, tensor, shape,
        dim;
    if (!model.find(7, graph))
        return {};
    while (graph.find(11, input)) {
        int sizes[4] = {0}, dims = 0;
        message unused;
        if (!input.find(2, type) || !type.find(1, tensor) || !tensor.find(2, shape))
            continue;
        for (; shape.find(1, dim); dims++) {
            message size = dim;
            if (dims < 4 && size.find(1, unused) && size.value <= 4096)
                sizes[dims] = static_cast<int>(size.value);
        }
        if (dims == 4 && sizes[1] == 3)
            return sizes[2] && sizes[3] ? cv::Size(sizes[3], sizes[2]) : cv::Size();
    }
    return {};
}

/* ------------------------------------------------------------------ heads */

struct candidate {
    float x1, y1, x2, y2, score;
    int label;
};

/* How a picture went into the model: model pixels = picture pixels * scale + offset. */
struct view {
    float scale_x, scale_y, offset_x, offset_y;
};

struct head {
    const char *name;
    bool rgb;       /* or BGR, as OpenCV reads pictures */
    bool bytes;     /* 0..255, or 0..1 */
    bool letterbox; /* proportions kept, the rest grey; or squeezed */
    bool centred;   /* the letterbox's picture, or in its upper left corner */
};

constexpr head heads[] = {{"yolox", false, true, true, false},
                          {"fastestdet", false, false, false, false},
                          {"yolov5", true, false, true, true},
                          {"yolov8", true, false, true, true}};
enum { yolox, fastestdet, yolov5, yolov8 };
constexpr int strides[] = {8, 16, 32};
constexpr int padding = 114;

std::string shape_text(const cv::Mat &m) {
    std::string list;
    for (int i = 0; i < m.dims; i++)
        list += (i ? ", " : "") + std::to_string(m.size[i]);
    return "(" + list + ")";
}

/* Gets the place of the head that puts out such a shape, -1 for none; cells: of a model that looks
   at three sizes of them. */
int head_of(const cv::Mat &out, int cells) {
    if (out.dims == 4 && out.size[0] == 1 && out.size[1] > 5)
        return fastestdet;
    if (out.dims != 3 || out.size[0] != 1)
        return -1;
    int rows = out.size[1], columns = out.size[2];
    if (rows == cells && columns > 5)
        return yolox;
    if (rows > columns)
        return columns > 5 ? yolov5 : -1;
    return rows > 4 && columns > rows ? yolov8 : -1;
}

class detector {
  public:
    explicit detector(settings given);
    std::vector<candidate> find(const cv::Mat &rgb);
    const std::vector<std::string> &labels() const {
        return settings_.labels;
    }

  private:
    cv::Mat run(const cv::Mat &rgb, view &seen);
    void choose_head(const cv::Mat &out);
    int cells() const;
    void keep(std::vector<candidate> &list, float cx, float cy, float w, float h, float objectness,
              const float *classes, size_t step) const;
    std::vector<candidate> decode_cells(const cv::Mat &out) const;
    std::vector<candidate> decode_map(const cv::Mat &out) const;
    std::vector<candidate> decode_boxes(const cv::Mat &out) const;

    settings settings_;
    cv::dnn::Net net_;
    int width_ = 0, height_ = 0, classes_ = 0;
    const head *head_ = &heads[yolox];
};

detector::detector(settings given) : settings_(std::move(given)) {
    const std::string &path = settings_.model;
    const std::vector<unsigned char> bytes = read_file(path);
    try {
        net_ = cv::dnn::readNetFromONNX(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    } catch (const cv::Exception &e) {
        throw problem(path + ": OpenCV " CV_VERSION " can not read it as ONNX: " + e.err);
    }
    net_.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    const cv::Size fixed = fixed_size(bytes);
    if (fixed.width && settings_.size && fixed != cv::Size(settings_.size, settings_.size))
        throw problem(path + ": its input is " + std::to_string(fixed.width) + " x " +
                      std::to_string(fixed.height) + " pixels: option 'size' can not change that");
    width_ = fixed.width ? fixed.width : settings_.size ? settings_.size : 640;
    height_ = fixed.height ? fixed.height : width_;
    const bool named = !settings_.labels.empty();
    for (size_t i = 0; !named && coco[i]; i++)
        settings_.labels.push_back(coco[i]);

    /* One grey picture shows whether it runs, and which head it has. */
    view seen;
    const cv::Mat out = run(cv::Mat(height_, width_, CV_8UC3, cv::Scalar::all(padding)), seen);
    choose_head(out);
    if (settings_.labels.size() != static_cast<size_t>(classes_))
        throw problem(path + ": it tells " + std::to_string(classes_) + " classes apart, " +
                      (named ? "option 'labels' names " + std::to_string(settings_.labels.size())
                             : "not COCO's 80: option 'labels' takes the list of their names"));
}

int detector::cells() const {
    int n = 0;
    for (int stride : strides)
        n += (width_ / stride) * (height_ / stride);
    return n;
}

void detector::choose_head(const cv::Mat &out) {
    int found = head_of(out, cells());
    const std::string what = settings_.model + ": its output is " + shape_text(out);
    if (settings_.head != "auto") {
        int asked = 0, most = static_cast<int>(std::size(heads));
        while (asked < most && settings_.head != heads[asked].name)
            asked++;
        if (asked == most)
            throw problem("option 'head': auto, yolox, fastestdet, yolov5 or yolov8 wanted, got '" +
                          settings_.head + "'");
        /* boxes that were decoded in the model have the shape of those that were not */
        if (found != asked && !(found == yolox && asked == yolov5))
            throw problem(what + ", which is no " + heads[asked].name + " head's");
        found = asked;
    }
    if (found < 0)
        throw problem(what + ": (1, boxes, 5 + classes), (1, 4 + classes, boxes) or (1, 5 + "
                             "classes, rows, columns) wanted");
    head_ = &heads[found];
    classes_ = found == fastestdet ? out.size[1] - 5
               : found == yolov8   ? out.size[1] - 4
                                   : out.size[2] - 5;
}

cv::Mat detector::run(const cv::Mat &rgb, view &seen) {
    cv::Mat fitted;
    if (head_->letterbox) {
        const float scale = std::min(static_cast<float>(width_) / static_cast<float>(rgb.cols),
                                     static_cast<float>(height_) / static_cast<float>(rgb.rows));
        const int w = std::max(1, static_cast<int>(static_cast<float>(rgb.cols) * scale));
        const int h = std::max(1, static_cast<int>(static_cast<float>(rgb.rows) * scale));
        const int x = head_->centred ? (width_ - w) / 2 : 0;
        const int y = head_->centred ? (height_ - h) / 2 : 0;
        cv::Mat inner;
        cv::resize(rgb, inner, {w, h}, 0, 0, cv::INTER_LINEAR);
        cv::copyMakeBorder(inner, fitted, y, height_ - h - y, x, width_ - w - x,
                           cv::BORDER_CONSTANT, cv::Scalar::all(padding));
        seen = {scale, scale, static_cast<float>(x), static_cast<float>(y)};
    } else {
        cv::resize(rgb, fitted, {width_, height_}, 0, 0, cv::INTER_AREA);
        seen = {static_cast<float>(width_) / static_cast<float>(rgb.cols),
                static_cast<float>(height_) / static_cast<float>(rgb.rows), 0, 0};
    }
    net_.setInput(cv::dnn::blobFromImage(fitted, head_->bytes ? 1.0 : 1.0 / 255, fitted.size(),
                                         cv::Scalar(), !head_->rgb));
    std::vector<cv::Mat> outs;
    try {
        net_.forward(outs, net_.getUnconnectedOutLayersNames());
    } catch (const cv::Exception &e) {
        throw problem(settings_.model + ": it can not be run on " + std::to_string(width_) + " x " +
                      std::to_string(height_) + " pixels: " + e.err);
    }
    if (outs.size() != 1 || outs[0].type() != CV_32F)
        throw problem(settings_.model + ": it has " + std::to_string(outs.size()) +
                      " outputs: one, of floats, wanted (an export without suppression)");
    return outs[0].isContinuous() ? outs[0] : outs[0].clone();
}

/* ------------------------------------------------------------------ decoding */

/* Adds the box with its best class, when the score suffices. step: between scores of classes. */
void detector::keep(std::vector<candidate> &list, float cx, float cy, float w, float h,
                    float objectness, const float *classes, size_t step) const {
    int best = 0;
    for (int c = 1; c < classes_; c++)
        if (classes[static_cast<size_t>(c) * step] > classes[static_cast<size_t>(best) * step])
            best = c;
    float score = classes[static_cast<size_t>(best) * step];
    score = head_ == &heads[fastestdet] ? std::pow(objectness, 0.6f) * std::pow(score, 0.4f)
                                        : objectness * score;
    if (score >= static_cast<float>(settings_.threshold))
        list.push_back({cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score, best});
}

std::vector<candidate> detector::decode_cells(const cv::Mat &out) const {
    std::vector<candidate> list;
    const float *row = out.ptr<float>();
    for (int stride : strides)
        for (int y = 0; y < height_ / stride; y++)
            for (int x = 0; x < width_ / stride; x++, row += out.size[2]) {
                const float size = static_cast<float>(stride);
                keep(list, (row[0] + static_cast<float>(x)) * size,
                     (row[1] + static_cast<float>(y)) * size, std::exp(row[2]) * size,
                     std::exp(row[3]) * size, row[4], row + 5, 1);
            }
    return list;
}

std::vector<candidate> detector::decode_map(const cv::Mat &out) const {
    const int rows = out.size[2], columns = out.size[3];
    const size_t step = static_cast<size_t>(rows) * static_cast<size_t>(columns);
    const float cell_x = static_cast<float>(width_) / static_cast<float>(columns);
    const float cell_y = static_cast<float>(height_) / static_cast<float>(rows);
    const auto sigmoid = [](float v) { return 1 / (1 + std::exp(-v)); };
    std::vector<candidate> list;
    const float *cell = out.ptr<float>();
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++, cell++)
            keep(list, (static_cast<float>(x) + std::tanh(cell[step])) * cell_x,
                 (static_cast<float>(y) + std::tanh(cell[2 * step])) * cell_y,
                 sigmoid(cell[3 * step]) * static_cast<float>(width_),
                 sigmoid(cell[4 * step]) * static_cast<float>(height_), cell[0], cell + 5 * step,
                 step);
    return list;
}

std::vector<candidate> detector::decode_boxes(const cv::Mat &out) const {
    const bool by_column = head_ == &heads[yolov8];
    const int n = by_column ? out.size[2] : out.size[1];
    const size_t step = by_column ? static_cast<size_t>(n) : 1;
    const size_t next = by_column ? 1 : static_cast<size_t>(out.size[2]);
    std::vector<candidate> list;
    const float *box = out.ptr<float>();
    for (int i = 0; i < n; i++, box += next)
        keep(list, box[0], box[step], box[2 * step], box[3 * step], by_column ? 1 : box[4],
             box + (by_column ? 4 : 5) * step, step);
    return list;
}

float overlap(const candidate &a, const candidate &b) {
    const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
    const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    if (w <= 0 || h <= 0)
        return 0;
    return w * h / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - w * h);
}

/* Gets the best of each crowd of a class; of the list, the thousand best are looked at. */
std::vector<candidate> suppress(std::vector<candidate> list, double most) {
    std::stable_sort(list.begin(), list.end(),
                     [](const candidate &a, const candidate &b) { return a.score > b.score; });
    if (list.size() > 1000)
        list.resize(1000);
    std::vector<candidate> kept;
    for (const candidate &each : list)
        if (std::none_of(kept.begin(), kept.end(), [&](const candidate &better) {
                return better.label == each.label &&
                       static_cast<double>(overlap(better, each)) > most;
            }))
            kept.push_back(each);
    return kept;
}

std::vector<candidate> detector::find(const cv::Mat &rgb) {
    view seen;
    const cv::Mat out = run(rgb, seen);
    std::vector<candidate> list = head_ == &heads[yolox]        ? decode_cells(out)
                                  : head_ == &heads[fastestdet] ? decode_map(out)
                                                                : decode_boxes(out);
    list = suppress(std::move(list), settings_.nms);
    std::vector<candidate> inside;
    for (candidate each : list) {
        const auto x_of = [&](float v) {
            return std::clamp((v - seen.offset_x) / seen.scale_x, 0.0f,
                              static_cast<float>(rgb.cols));
        };
        const auto y_of = [&](float v) {
            return std::clamp((v - seen.offset_y) / seen.scale_y, 0.0f,
                              static_cast<float>(rgb.rows));
        };
        each = {
            x_of(each.x1), y_of(each.y1), x_of(each.x2), y_of(each.y2), std::min(each.score, 1.0f),
            each.label};
        if (!(each.x2 <= each.x1 ||
              each.y2 <= each.y1)) /* numbers that are none go on: hoi tells */
            inside.push_back(each);
    }
    return inside;
}

/* ------------------------------------------------------------------ the border */

/* OpenCV prints errors before it throws them. */
int say_nothing(int, const char *, const char *, const char *, int, void *) {
    return 0;
}

/* Gets what f gets; `otherwise`, with the reason kept by the host, when it throws. */
template <typename result, typename function>
result guarded(hoi_host *host, result otherwise, function f) {
    try {
        return f();
    } catch (const cv::Exception &e) {
        host->fail(host, "OpenCV: %s", e.err.c_str());
    } catch (const std::exception &e) {
        host->fail(host, "%s", e.what());
    }
    return otherwise;
}

void *open_dnn(hoi_host *host, const char *options) {
    cv::redirectError(say_nothing);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return guarded<void *>(host, nullptr, [&]() -> void * {
        auto opened = std::make_unique<detector>(read_settings(options));
        std::vector<const char *> names;
        for (const std::string &label : opened->labels())
            names.push_back(label.c_str());
        names.push_back(nullptr);
        host->labels(host, names.data());
        return opened.release();
    });
}

int detect(void *self, hoi_host *host, const hoi_picture *picture) {
    return guarded<int>(host, -1, [&]() {
        const cv::Mat rgb(picture->height, picture->width, CV_8UC3,
                          const_cast<unsigned char *>(picture->rgb));
        for (const candidate &each : static_cast<detector *>(self)->find(rgb)) {
            const hoi_detection found = {each.x1,    each.y1,    each.x2, each.y2,
                                         each.score, each.label, 0,       nullptr};
            host->emit(host, &found);
        }
        return 0;
    });
}

void close_dnn(void *self) {
    delete static_cast<detector *>(self);
}

} // namespace

const hoi_detector *hoi_plugin(void) {
    static const hoi_detector plugin = {HOI_PLUGIN_ABI, "dnn", coco, open_dnn, detect, close_dnn};
    return &plugin;
}
