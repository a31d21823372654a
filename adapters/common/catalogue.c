/*
 * What is kept of the price list:
 *
 *     regions  aws, us-east-1 -> region { last_line, rows[] (packed, sorted by type), texts }
 *              aws, ""        -> the same for types anywhere: no price
 *     sources  (source_id, as_of) -> "catalogue karpenter-aws", Unix ms
 *
 * A region's rows are NULL until somebody asks for it. The file stays open, so that a list that is replaced while we
 * run is not read in two versions; one that is overwritten in place while we run can lose us a region, never a price.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/common/catalogue_internal.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define FILE_NAME "instance_prices.csv.gz"
#define REGIONS_MAX 4096
#define SOURCES_MAX 256
#define PATH_SIZE 4096

struct source {
    char *id, *as_of;
    char *label;
    int64_t as_of_ms;
};

struct packed {
    uint32_t type; /* Offset into the region's texts. */
    uint32_t source;
    uint32_t vcpu_milli;
    uint32_t memory_mib;
    uint32_t gpu;
    uint32_t architecture; /* As type. */
    money_micros price_hourly, price_spot_hourly;
};

struct region {
    char *provider, *name;        /* name "": any region. */
    size_t first_line, last_line; /* Nothing of this region stands before or behind them. */
    bool is_loaded;
    char *texts;
    struct packed *rows;
    size_t count;
};

struct catalogue {
    char *path;
    int fd;
    struct map regions;
    struct source sources[SOURCES_MAX];
    size_t source_count;
};

/* A line break joins the two parts of a key, since no field can hold one. */
static struct region *region_get(const struct catalogue *catalogue, const char *provider, const char *name) {
    char key[CATALOGUE_LINE_MAX];
    int size = snprintf(key, sizeof(key), "%s\n%s", provider, name);
    return size > 0 && (size_t)size < sizeof(key) ? map_get(&catalogue->regions, key) : NULL;
}

static struct region *region_note(struct catalogue *catalogue, const char *provider, const char *name, size_t line) {
    struct region *region = region_get(catalogue, provider, name);
    if (!region) {
        if (catalogue->regions.count == REGIONS_MAX) {
            return NULL;
        }
        region = mem_alloc(sizeof(*region));
        region->provider = mem_strdup(provider);
        region->name = mem_strdup(name);
        region->first_line = line;
        char *key = mem_printf("%s\n%s", provider, name);
        map_put(&catalogue->regions, key, region);
        mem_free(key);
    }
    region->last_line = line;
    return region;
}

/* The position in sources; source_count if it is not there. */
static size_t source_find(const struct catalogue *catalogue, const struct catalogue_row *row) {
    size_t i = 0;
    while (i < catalogue->source_count &&
           (!str_eq(catalogue->sources[i].id, row->source) || !str_eq(catalogue->sources[i].as_of, row->as_of))) {
        i++;
    }
    return i;
}

static bool source_note(struct catalogue *catalogue, const struct catalogue_row *row) {
    if (source_find(catalogue, row) < catalogue->source_count) {
        return true;
    }
    if (catalogue->source_count == SOURCES_MAX) {
        return false;
    }
    catalogue->sources[catalogue->source_count++] = (struct source){
        .id = mem_strdup(row->source),
        .as_of = mem_strdup(row->as_of),
        .label = *row->source ? mem_printf("catalogue %s", row->source) : mem_strdup("catalogue"),
        .as_of_ms = row->as_of_ms,
    };
    return true;
}

/* Rows of one region, and of one source, stand together: what the row before was is looked at first. */
struct indexing {
    struct region *region, *anywhere;
    size_t source;
};

static bool index_region(struct catalogue *catalogue, struct indexing *last, const struct catalogue_row *row,
                         size_t line) {
    if (last->region && str_eq(last->region->name, row->region) && str_eq(last->region->provider, row->provider)) {
        last->region->last_line = last->anywhere->last_line = line;
        return true;
    }
    last->region = region_note(catalogue, row->provider, row->region, line);
    last->anywhere = region_note(catalogue, row->provider, "", line);
    return last->region && last->anywhere;
}

static bool index_source(struct catalogue *catalogue, struct indexing *last, const struct catalogue_row *row) {
    const struct source *source = &catalogue->sources[last->source];
    if (last->source < catalogue->source_count && str_eq(source->id, row->source) &&
        str_eq(source->as_of, row->as_of)) {
        return true;
    }
    if (!source_note(catalogue, row)) {
        return false;
    }
    last->source = source_find(catalogue, row);
    return true;
}

static enum err_class index_rows(struct catalogue *catalogue, struct catalogue_reader *reader, struct error *err) {
    struct indexing last = {0};
    for (;;) {
        struct catalogue_row row;
        bool found;
        enum err_class class = catalogue_reader_next(reader, &row, &found, err);
        if (class != ERR_NONE || !found) {
            return class;
        }
        if (!index_region(catalogue, &last, &row, reader->line_number)) {
            return error_set(err, ERR_PERMANENT, "price list %s: more than %d regions", catalogue->path, REGIONS_MAX);
        }
        if (!index_source(catalogue, &last, &row)) {
            return error_set(err, ERR_PERMANENT, "price list %s: more than %d sources", catalogue->path, SOURCES_MAX);
        }
    }
}

/* adapters/catalogue in the folder of the executable or one above it: a build tree, or a checkout. NULL if there is
 * none. */
static char *find_above_executable(void) {
    char at[PATH_SIZE];
    ssize_t size = readlink("/proc/self/exe", at, sizeof(at) - 1);
    if (size <= 0) {
        return NULL;
    }
    at[size] = '\0';
    for (char *slash; (slash = strrchr(at, '/')) != NULL;) {
        *slash = '\0';
        char *path = mem_printf("%s/adapters/catalogue/" FILE_NAME, at);
        if (access(path, R_OK) == 0) {
            return path;
        }
        mem_free(path);
    }
    return NULL;
}

static char *find_file(void) {
    const char *data_dir = getenv("TRIMTAB_DATA_DIR");
    if (data_dir && *data_dir) {
        return mem_printf("%s/" FILE_NAME, data_dir); /* Named by the user: not there is an error, no fallback. */
    }
    const char *installed = "/usr/share/trimtab/" FILE_NAME;
    if (access(installed, R_OK) == 0) {
        return mem_strdup(installed);
    }
    char *path = find_above_executable();
    return path ? path : mem_strdup(installed);
}

enum err_class catalogue_open(const char *path, struct catalogue **ret, struct error *err) {
    struct catalogue *catalogue = mem_alloc(sizeof(*catalogue));
    catalogue->path = path ? mem_strdup(path) : find_file();
    catalogue->fd = open(catalogue->path, O_RDONLY | O_CLOEXEC);
    enum err_class class;
    if (catalogue->fd < 0) {
        class = error_set(err, ERR_PERMANENT, "price list %s: %s", catalogue->path, strerror(errno));
    } else {
        struct catalogue_reader reader;
        class = catalogue_reader_open(&reader, catalogue->fd, catalogue->path, err);
        if (class == ERR_NONE) {
            class = index_rows(catalogue, &reader, err);
        }
        catalogue_reader_close(&reader);
    }
    if (class != ERR_NONE) {
        catalogue_free(catalogue);
        return class;
    }
    *ret = catalogue;
    return ERR_NONE;
}

void catalogue_free(struct catalogue *catalogue) {
    if (!catalogue) {
        return;
    }
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&catalogue->regions, &i));) {
        struct region *region = entry->value;
        mem_free(region->provider);
        mem_free(region->name);
        mem_free(region->texts);
        mem_free(region->rows);
        mem_free(region);
    }
    map_release(&catalogue->regions);
    for (size_t i = 0; i < catalogue->source_count; i++) {
        mem_free(catalogue->sources[i].id);
        mem_free(catalogue->sources[i].as_of);
        mem_free(catalogue->sources[i].label);
    }
    if (catalogue->fd >= 0) {
        close(catalogue->fd);
    }
    mem_free(catalogue->path);
    mem_free(catalogue);
}

/* What a region is loaded into; trimmed to size at the end. */
struct loading {
    struct map seen; /* Types; the value says nothing. */
    struct buf texts;
    uint32_t architecture; /* Of the row before: they are few. */
    struct packed *rows;
    size_t count, capacity;
};

static uint32_t load_text(struct loading *to, const char *text) {
    uint32_t at = (uint32_t)to->texts.size;
    buf_append(&to->texts, text, strlen(text) + 1);
    return at;
}

static void load_row(const struct catalogue *catalogue, struct loading *to, const struct catalogue_row *row,
                     bool any_region) {
    size_t source = source_find(catalogue, row);
    if (map_get(&to->seen, row->type) || source == catalogue->source_count) {
        return;
    }
    map_put(&to->seen, row->type, to);
    if (to->count == to->capacity) {
        size_t capacity = to->capacity ? to->capacity * 2 : 64;
        to->rows = mem_grow(to->rows, to->capacity, capacity, sizeof(*to->rows));
        to->capacity = capacity;
    }
    if (to->texts.size == 0 || !str_eq(to->texts.data + to->architecture, row->architecture)) {
        to->architecture = load_text(to, row->architecture);
    }
    to->rows[to->count++] = (struct packed){
        .type = load_text(to, row->type),
        .source = (uint32_t)source,
        .vcpu_milli = (uint32_t)row->vcpu_milli,
        .memory_mib = (uint32_t)row->memory_mib,
        .gpu = (uint32_t)row->gpu,
        .architecture = to->architecture,
        .price_hourly = any_region ? -1 : row->price_hourly,
        .price_spot_hourly = any_region ? -1 : row->price_spot_hourly,
    };
}

static int packed_cmp(const void *a, const void *b, void *texts) {
    const struct packed *x = a, *y = b;
    const char *text = texts;
    return strcmp(text + x->type, text + y->type);
}

/* An error leaves the region as far as it came: the rows were good when the file was opened. */
static void region_load(const struct catalogue *catalogue, struct region *region) {
    struct loading loading = {0};
    struct catalogue_reader reader;
    struct error ignored;
    bool any_region = !*region->name, found = true;
    enum err_class class = catalogue_reader_open(&reader, catalogue->fd, catalogue->path, &ignored);
    if (class == ERR_NONE) {
        class = catalogue_reader_skip(&reader, region->first_line, &ignored);
    }
    while (class == ERR_NONE && found && reader.line_number < region->last_line) {
        struct catalogue_row row;
        class = catalogue_reader_next(&reader, &row, &found, &ignored);
        if (class == ERR_NONE && found && str_eq(row.provider, region->provider) &&
            (any_region || str_eq(row.region, region->name))) {
            load_row(catalogue, &loading, &row, any_region);
        }
    }
    catalogue_reader_close(&reader);
    map_release(&loading.seen);
    if (loading.count > 0) {
        qsort_r(loading.rows, loading.count, sizeof(*loading.rows), packed_cmp, loading.texts.data);
        region->rows = mem_alloc_array(loading.count, sizeof(*region->rows));
        memcpy(region->rows, loading.rows, loading.count * sizeof(*region->rows));
        region->texts = mem_alloc(loading.texts.size);
        memcpy(region->texts, loading.texts.data, loading.texts.size);
    }
    region->count = loading.count;
    region->is_loaded = true;
    mem_free(loading.rows);
    buf_release(&loading.texts);
}

static const struct region *region_loaded(const struct catalogue *catalogue, const char *provider, const char *name) {
    struct region *region = region_get(catalogue, provider ? provider : "", name ? name : "");
    if (region && !region->is_loaded) {
        region_load(catalogue, region);
    }
    return region;
}

static struct cloud_offer offer_of(const struct catalogue *catalogue, const struct region *region, size_t index) {
    const struct packed *row = &region->rows[index];
    return (struct cloud_offer){
        .region = region->name,
        .type = region->texts + row->type,
        .vcpu_milli = row->vcpu_milli,
        .memory_mib = row->memory_mib,
        .gpu = row->gpu,
        .architecture = region->texts + row->architecture,
        .price_hourly = row->price_hourly,
        .price_spot_hourly = row->price_spot_hourly,
        .as_of_ms = catalogue->sources[row->source].as_of_ms,
        .source = catalogue->sources[row->source].label,
    };
}

bool catalogue_sells(const struct catalogue *catalogue, const char *provider, const char *region) {
    return region_get(catalogue, provider ? provider : "", region ? region : "") != NULL;
}

bool catalogue_find(const struct catalogue *catalogue, const char *provider, const char *region, const char *type,
                    struct cloud_offer *ret) {
    const struct region *rows = region_loaded(catalogue, provider, region);
    size_t low = 0, high = rows ? rows->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(rows->texts + rows->rows[middle].type, type);
        if (order == 0) {
            *ret = offer_of(catalogue, rows, middle);
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

size_t catalogue_region(const struct catalogue *catalogue, const char *provider, const char *region,
                        struct arena *arena, const struct cloud_offer **ret) {
    const struct region *rows = region_loaded(catalogue, provider, region);
    size_t count = rows ? rows->count : 0;
    struct cloud_offer *offers = arena_alloc_array(arena, count, sizeof(*offers));
    for (size_t i = 0; i < count; i++) {
        offers[i] = offer_of(catalogue, rows, i);
    }
    *ret = offers;
    return count;
}
