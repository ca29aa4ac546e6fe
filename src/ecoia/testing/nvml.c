/* A libnvidia-ml.so.1 without a GPU, for tests (see hardware.py). Signatures, structures and return codes are
   those of NVIDIA's NVML reference. Every call reads STATE_FILE again and shows its content, one fact per line:

   driver <code every call returns> <generation>
   gpu <uuid> <energy mJ or -1> <power mW or -1> <drift mW> <update ms> <code> <most instances> <lists?> <samples?>
   instance <gpu> <uuid> <GPU instance> <compute instance> <compute slices>
   process <gpu> <instance or -1> <pid> <graphics?>
   sample <gpu> <pid> <timestamp us> <SM percent>

   The energy counter moves in steps of <update ms>, by <drift mW> since the file was written. A handle is valid in the
   generation of the driver that gave it, and the library in the generation that initialised it. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    OK = 0, UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, TOO_SMALL = 7,
    DRIVER_NOT_LOADED = 9, LOST = 15, UNKNOWN = 999
};
enum { MOST = 16, MOST_FACTS = 64, NO_INSTANCE = -1 };

typedef void *Device;
typedef unsigned long long Count;
typedef struct { Count total, free, used; } Memory;
typedef struct { unsigned int version; Count total, reserved, free, used; } Memory2;
typedef struct { unsigned int gpu, memory; } Utilization;
typedef struct { unsigned int pid; Count memory; unsigned int gpu_instance, compute_instance; } Process;
typedef struct { unsigned int pid; Count timestamp_us; unsigned int sm, memory, encoder, decoder; } Sample;
typedef struct {
    unsigned int multiprocessors, copy_engines, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices;
    Count memory_mb;
} Attributes;

typedef struct { char uuid[96]; long long energy_mj, power_mw, drift_mw, update_ms; int code, most_instances, lists, samples; } Gpu;
typedef struct { int gpu; char uuid[96]; unsigned int gpu_instance, compute_instance, slices; } Instance;
typedef struct { int gpu, instance; unsigned int pid; int graphics; } Holder;
typedef struct { int gpu; unsigned int pid; Count timestamp_us; unsigned int sm; } Busy;
typedef struct {
    int code, generation, gpu_count, instance_count, holder_count, busy_count;
    Gpu gpus[MOST];
    Instance instances[MOST_FACTS];
    Holder holders[MOST_FACTS];
    Busy busy[MOST_FACTS];
} State;
typedef struct { State state; int gpu, instance; } Found;

static int users, initialised_generation;

static int read_state(State *state) {
    FILE *file = fopen(STATE_FILE, "r");
    struct stat facts;
    struct timespec now;
    char line[512];
    memset(state, 0, sizeof *state);
    if (!file) return UNKNOWN;
    fstat(fileno(file), &facts);
    clock_gettime(CLOCK_REALTIME, &now);
    long long age_ms = (now.tv_sec - facts.st_mtim.tv_sec) * 1000ll + (now.tv_nsec - facts.st_mtim.tv_nsec) / 1000000ll;
    if (age_ms < 0) age_ms = 0;
    while (fgets(line, sizeof line, file)) {
        Gpu *gpu = &state->gpus[state->gpu_count];
        Instance *instance = &state->instances[state->instance_count];
        Holder *holder = &state->holders[state->holder_count];
        Busy *busy = &state->busy[state->busy_count];
        if (sscanf(line, "driver %d %d", &state->code, &state->generation) == 2) continue;
        if (state->gpu_count < MOST - 1 &&
            sscanf(line, "gpu %95s %lld %lld %lld %lld %d %d %d %d", gpu->uuid, &gpu->energy_mj, &gpu->power_mw, &gpu->drift_mw,
                   &gpu->update_ms, &gpu->code, &gpu->most_instances, &gpu->lists, &gpu->samples) == 9) {
            long long moved_ms = gpu->update_ms > 0 ? age_ms - age_ms % gpu->update_ms : age_ms;
            if (gpu->energy_mj >= 0) gpu->energy_mj += moved_ms * gpu->drift_mw / 1000;
            state->gpu_count++;
        } else if (state->instance_count < MOST_FACTS - 1 &&
                   sscanf(line, "instance %d %95s %u %u %u", &instance->gpu, instance->uuid, &instance->gpu_instance,
                          &instance->compute_instance, &instance->slices) == 5) {
            state->instance_count++;
        } else if (state->holder_count < MOST_FACTS - 1 &&
                   sscanf(line, "process %d %d %u %d", &holder->gpu, &holder->instance, &holder->pid, &holder->graphics) == 4) {
            state->holder_count++;
        } else if (state->busy_count < MOST_FACTS - 1 &&
                   sscanf(line, "sample %d %u %llu %u", &busy->gpu, &busy->pid, &busy->timestamp_us, &busy->sm) == 4) {
            state->busy_count++;
        }
    }
    fclose(file);
    return state->code;
}

static int ready(State *state) {
    int code;
    if (!users) return UNINITIALIZED;
    code = read_state(state);
    if (code != OK) return code;
    return state->generation == initialised_generation ? OK : UNINITIALIZED;
}

/* A handle holds the generation, the GPU's number and, for an instance, its number plus one. */
static Device handle(const State *state, int gpu, int instance) {
    return (Device)(((size_t)state->generation + 1) * 1000000 + (size_t)gpu * 1000 + (size_t)(instance + 1));
}

static int find(Device device, Found *found) {
    size_t number = (size_t)device;
    int code = ready(&found->state);
    if (code != OK) return code;
    found->gpu = (int)(number / 1000 % 1000);
    found->instance = (int)(number % 1000) - 1;
    if (number / 1000000 != (size_t)found->state.generation + 1) return INVALID;
    if (found->gpu >= found->state.gpu_count || found->instance >= found->state.instance_count) return INVALID;
    return found->state.gpus[found->gpu].code;
}

/* For calls that support only a whole GPU. */
static int find_whole(Device device, Found *found) {
    int code = find(device, found);
    return code == OK && found->instance != NO_INSTANCE ? UNSUPPORTED : code;
}

static int put(char *where, unsigned int room, const char *text) {
    if (strlen(text) + 1 > room) return TOO_SMALL;
    strcpy(where, text);
    return OK;
}

int nvmlInitWithFlags(unsigned int flags) {
    State state;
    int code = read_state(&state);
    (void)flags;
    if (code != OK) return code;
    if (!users) initialised_generation = state.generation;
    users++;
    return OK;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { if (!users) return UNINITIALIZED; users--; return OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID: return "Invalid Argument";
    case UNSUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case TOO_SMALL: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned int room) { return put(version, room, "999.99"); }
int nvmlSystemGetNVMLVersion(char *version, unsigned int room) { return put(version, room, "13.999.99"); }

int nvmlDeviceGetCount_v2(unsigned int *count) {
    State state;
    int code = ready(&state);
    if (code == OK) *count = (unsigned int)state.gpu_count;
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, Device *device) {
    State state;
    int code = ready(&state);
    if (code != OK) return code;
    if (index >= (unsigned int)state.gpu_count) return INVALID;
    *device = handle(&state, (int)index, NO_INSTANCE);
    return state.gpus[index].code;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
    State state;
    int number, code = ready(&state);
    if (code != OK) return code;
    for (number = 0; number < state.gpu_count; number++)
        if (!strcmp(state.gpus[number].uuid, uuid)) {
            *device = handle(&state, number, NO_INSTANCE);
            return state.gpus[number].code;
        }
    for (number = 0; number < state.instance_count; number++)
        if (!strcmp(state.instances[number].uuid, uuid)) {
            *device = handle(&state, state.instances[number].gpu, number);
            return state.gpus[state.instances[number].gpu].code;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(Device device, unsigned int *index) {
    Found found;
    int code = find_whole(device, &found);
    if (code == OK) *index = (unsigned int)found.gpu;
    return code;
}

int nvmlDeviceGetName(Device device, char *name, unsigned int room) {
    Found found;
    int code = find(device, &found);
    return code == OK ? put(name, room, "Fake H100") : code;
}

int nvmlDeviceGetUUID(Device device, char *uuid, unsigned int room) {
    Found found;
    int code = find(device, &found);
    if (code != OK) return code;
    return put(uuid, room, found.instance == NO_INSTANCE ? found.state.gpus[found.gpu].uuid : found.state.instances[found.instance].uuid);
}

/* --- energy and power --- */

int nvmlDeviceGetTotalEnergyConsumption(Device device, Count *millijoules) {
    Found found;
    int code = find_whole(device, &found);
    if (code != OK) return code;
    if (found.state.gpus[found.gpu].energy_mj < 0) return UNSUPPORTED;
    *millijoules = (Count)found.state.gpus[found.gpu].energy_mj;
    return OK;
}

int nvmlDeviceGetPowerUsage(Device device, unsigned int *milliwatts) {
    Found found;
    int code = find_whole(device, &found);
    if (code != OK) return code;
    if (found.state.gpus[found.gpu].power_mw < 0) return UNSUPPORTED;
    *milliwatts = (unsigned int)found.state.gpus[found.gpu].power_mw;
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned int *milliwatts) {
    Found found;
    int code = find_whole(device, &found);
    if (code == OK) *milliwatts = 700000;
    return code;
}

int nvmlDeviceGetPowerManagementLimit(Device device, unsigned int *milliwatts) {
    return nvmlDeviceGetEnforcedPowerLimit(device, milliwatts);
}

/* --- users --- */

static int list(Device device, unsigned int *count, Process *processes, int graphics) {
    Found found;
    unsigned int room = *count, listed = 0;
    int number, code = find(device, &found);
    if (code != OK) return code;
    if (!found.state.gpus[found.gpu].lists) return UNSUPPORTED;
    for (number = 0; number < found.state.holder_count; number++) {
        const Holder *holder = &found.state.holders[number];
        if (holder->gpu != found.gpu || holder->graphics != graphics) continue;
        if (found.instance != NO_INSTANCE && holder->instance != found.instance) continue;
        if (processes && listed < room) {
            memset(&processes[listed], 0, sizeof *processes);
            processes[listed].pid = holder->pid;
            processes[listed].memory = 1ull << 30;
            processes[listed].gpu_instance = processes[listed].compute_instance = 0xFFFFFFFFu;
            if (holder->instance != NO_INSTANCE) {
                processes[listed].gpu_instance = found.state.instances[holder->instance].gpu_instance;
                processes[listed].compute_instance = found.state.instances[holder->instance].compute_instance;
            }
        }
        listed++;
    }
    *count = listed;
    return listed > (processes ? room : 0) ? TOO_SMALL : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned int *count, Process *processes) {
    return list(device, count, processes, 0);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned int *count, Process *processes) {
    return list(device, count, processes, 1);
}

int nvmlDeviceGetProcessUtilization(Device device, Sample *samples, unsigned int *count, Count last_seen_us) {
    Found found;
    unsigned int room = *count, newer = 0;
    int number, code = find_whole(device, &found);
    if (code != OK) return code;
    if (!found.state.gpus[found.gpu].samples || found.state.gpus[found.gpu].most_instances) return UNSUPPORTED;
    for (number = 0; number < found.state.busy_count; number++) {
        const Busy *busy = &found.state.busy[number];
        if (busy->gpu != found.gpu || busy->timestamp_us <= last_seen_us) continue;
        if (samples && newer < room) {
            memset(&samples[newer], 0, sizeof *samples);
            samples[newer].pid = busy->pid;
            samples[newer].timestamp_us = busy->timestamp_us;
            samples[newer].sm = busy->sm;
        }
        newer++;
    }
    *count = newer;
    if (!newer) return NOT_FOUND;
    return newer > (samples ? room : 0) ? TOO_SMALL : OK;
}

/* --- divided GPUs (MIG) --- */

int nvmlDeviceGetMigMode(Device device, unsigned int *current, unsigned int *pending) {
    Found found;
    int code = find_whole(device, &found);
    if (code == OK) *current = *pending = found.state.gpus[found.gpu].most_instances > 0;
    return code;
}

int nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned int *count) {
    Found found;
    int code = find_whole(device, &found);
    if (code == OK) *count = (unsigned int)found.state.gpus[found.gpu].most_instances;
    return code;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned int index, Device *part) {
    Found found;
    int number, code = find_whole(device, &found);
    if (code != OK) return code;
    for (number = 0; number < found.state.instance_count; number++)
        if (found.state.instances[number].gpu == found.gpu && !index--) {
            *part = handle(&found.state, found.gpu, number);
            return OK;
        }
    return NOT_FOUND;
}

static int find_instance(Device device, Found *found) {
    int code = find(device, found);
    return code == OK && found->instance == NO_INSTANCE ? UNSUPPORTED : code;
}

int nvmlDeviceIsMigDeviceHandle(Device device, unsigned int *is) {
    Found found;
    int code = find(device, &found);
    if (code == OK) *is = found.instance != NO_INSTANCE;
    return code;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device device, Device *whole) {
    Found found;
    int code = find_instance(device, &found);
    if (code == OK) *whole = handle(&found.state, found.gpu, NO_INSTANCE);
    return code;
}

int nvmlDeviceGetGpuInstanceId(Device device, unsigned int *id) {
    Found found;
    int code = find_instance(device, &found);
    if (code == OK) *id = found.state.instances[found.instance].gpu_instance;
    return code;
}

int nvmlDeviceGetComputeInstanceId(Device device, unsigned int *id) {
    Found found;
    int code = find_instance(device, &found);
    if (code == OK) *id = found.state.instances[found.instance].compute_instance;
    return code;
}

int nvmlDeviceGetAttributes_v2(Device device, Attributes *attributes) {
    Found found;
    int code = find_instance(device, &found);
    if (code != OK) return code;
    if (!found.state.instances[found.instance].slices) return UNSUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->gpu_slices = attributes->compute_slices = found.state.instances[found.instance].slices;
    attributes->multiprocessors = 14 * attributes->compute_slices;
    attributes->memory_mb = 10240ull * attributes->compute_slices;
    return OK;
}

/* --- calls that other readers make at their start --- */

int nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
    Found found;
    int code = find(device, &found);
    if (code == OK) { memory->total = 80ull << 30; memory->used = 1ull << 30; memory->free = 79ull << 30; }
    return code;
}

int nvmlDeviceGetMemoryInfo_v2(Device device, Memory2 *memory) {
    Found found;
    int code = find(device, &found);
    if (code == OK) { memory->total = 80ull << 30; memory->reserved = 0; memory->used = 1ull << 30; memory->free = 79ull << 30; }
    return code;
}

int nvmlDeviceGetTemperature(Device device, int sensor, unsigned int *celsius) {
    Found found;
    int code = find_whole(device, &found);
    (void)sensor;
    if (code == OK) *celsius = 45;
    return code;
}

int nvmlDeviceGetUtilizationRates(Device device, Utilization *share) {
    Found found;
    int code = find_whole(device, &found);
    if (code == OK) { share->gpu = 50; share->memory = 10; }
    return code;
}

int nvmlDeviceGetComputeMode(Device device, int *mode) {
    Found found;
    int code = find(device, &found);
    if (code == OK) *mode = 0;
    return code;
}
