/* program: embedded source -> program -> kernel, each once per device and set of defines. */
#include "core/embedded.h"
#include "core/error.h"
#include "opencl/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNELS = 24 };

struct hoi_program {
    char *key;
    cl_program program;
    struct {
        char name[48];
        cl_kernel kernel;
    } kernels[KERNELS];
    int kernel_count;
    hoi_program *next;
};

/* The first lines of a build log that name an error, for the message; the whole log goes to a file.
   */
static void report(hoi_device *device, cl_program program, const char *key, cl_int status) {
    size_t size = 0;
    char path[64] = "", *log = NULL, first[600] = "";
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size && (log = calloc(1, size + 1)))
        clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    if (log) {
        const char *at = strstr(log, "error");
        while (at && at > log && at[-1] != '\n')
            --at;
        snprintf(first, sizeof first, "%s", at ? at : log);
        snprintf(path, sizeof path, "/tmp/hoi-build-XXXXXX");
        int descriptor = mkstemp(path);
        FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
        if (file) {
            fwrite(log, 1, strlen(log), file);
            fclose(file);
        }
    }
    hoi_fail("device: clBuildProgram(%s): %s on %s\n%s\nwhole log: %s", key, hoi_cl_name(status),
             device->info.name, first, path);
    free(log);
}

static hoi_program *build(hoi_device *device, const char *file, const char *defines,
                          const char *key) {
    char name[96], options[512];
    const char *extra = getenv("HOI_CL_OPTIONS");
    size_t sizes[3] = {0};
    cl_int status;
    snprintf(name, sizeof name, "opencl/%s", file);
    const char *sources[3] = {
        hoi_embedded("opencl/vector.cl", &sizes[0]),
        hoi_embedded(device->set.gpu ? "opencl/gpu/group.cl" : "opencl/cpu/item.cl", &sizes[1]),
        hoi_embedded(name, &sizes[2])};
    if (!sources[0] || !sources[1] || !sources[2]) {
        hoi_fail("device: kernel file %s is not in this program", name);
        return NULL;
    }
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DVW=%d -DGPU=%d %s %s", device->set.width,
             device->set.gpu, defines, extra ? extra : "");
    hoi_program *program = calloc(1, sizeof *program);
    if (!program || !(program->key = strdup(key))) {
        free(program);
        hoi_fail("device: out of host memory");
        return NULL;
    }
    program->program = clCreateProgramWithSource(device->context, 3, sources, sizes, &status);
    if (status == CL_SUCCESS)
        status = clBuildProgram(program->program, 1, &device->id, options, NULL, NULL);
    if (status != CL_SUCCESS) {
        if (program->program) {
            report(device, program->program, key, status);
            clReleaseProgram(program->program);
        } else {
            hoi_fail("device: clCreateProgramWithSource(%s): %s", key, hoi_cl_name(status));
        }
        free(program->key);
        free(program);
        return NULL;
    }
    program->next = device->programs;
    device->programs = program;
    return program;
}

cl_kernel hoi_program_kernel(hoi_device *device, const char *file, const char *defines,
                             const char *kernel) {
    char key[384];
    cl_int status;
    snprintf(key, sizeof key, "%s %s", file, defines);
    hoi_program *program = device->programs;
    while (program && strcmp(program->key, key) != 0)
        program = program->next;
    if (!program && !(program = build(device, file, defines, key)))
        return NULL;
    for (int i = 0; i < program->kernel_count; ++i)
        if (strcmp(program->kernels[i].name, kernel) == 0)
            return program->kernels[i].kernel;
    cl_kernel made = clCreateKernel(program->program, kernel, &status);
    if (status != CL_SUCCESS || program->kernel_count == KERNELS) {
        hoi_fail("device: clCreateKernel(%s of %s): %s", kernel, key, hoi_cl_name(status));
        return NULL;
    }
    snprintf(program->kernels[program->kernel_count].name, sizeof program->kernels[0].name, "%s",
             kernel);
    program->kernels[program->kernel_count++].kernel = made;
    return made;
}

void hoi_program_free_all(hoi_device *device) {
    while (device->programs) {
        hoi_program *program = device->programs;
        device->programs = program->next;
        for (int i = 0; i < program->kernel_count; ++i)
            clReleaseKernel(program->kernels[i].kernel);
        clReleaseProgram(program->program);
        free(program->key);
        free(program);
    }
}
