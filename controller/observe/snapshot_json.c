/*
 * See snapshot_json.h. Printing and reading stand side by side, part for part, so that a field cannot be added to one
 * alone. The first fault of a document sticks: what is read after it does not matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "observe/snapshot_json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define STEP_MAX_MS INT64_C(86400000)
#define PRICE_DECIMALS 6
#define NUMBER_TEXT_MAX 32

static const char *const basis_names[] = {"Recorded", "Assumed"};

/* ---- writing: pieces ---- */

static void put_text(struct json_writer *w, const char *key, const char *text) {
    jw_put_string(w, key, text ? text : "");
}

static void put_text_or_null(struct json_writer *w, const char *key, const char *text) {
    jw_key(w, key);
    jw_string(w, text);
}

static void put_time(struct json_writer *w, const char *key, int64_t unix_ms) {
    char text[TIME_TEXT_MAX];
    jw_key(w, key);
    if (unix_ms > 0)
        time_format_micro(unix_ms, text);
    jw_string(w, unix_ms > 0 ? text : NULL);
}

/* The shortest text that reads back, through a double as json_double gives it, as the same float. */
static void print_float(struct json_writer *w, float value) {
    char text[NUMBER_TEXT_MAX] = "-0.0"; /* As "-0" it would be an integer, which has no negative zero. */
    float magnitude = fabsf(value);
    bool is_subnormal = magnitude > 0 && magnitude < FLT_MIN;
    for (int digits = is_subnormal ? 1 : FLT_DIG; (value != 0 || !signbit(value)) && digits <= FLT_DECIMAL_DIG;
         digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if ((float)strtod(text, NULL) == value)
            break;
    }
    jw_raw(w, text);
}

/* ---- reading: pieces ---- */

struct reader {
    struct arena *arena;
    struct error *err;
    bool failed;
    char at[96]; /* Where we are: "resources[2].offer". */
};

static void fault(struct reader *r, const char *key, const char *what) {
    if (!r->failed)
        (void)error_set(r->err, ERR_PERMANENT, "%s%s%s: %s", r->at, r->at[0] && key[0] ? "." : "", key, what);
    r->failed = true;
}

static const char *take_text(struct reader *r, const struct json *object, const char *key) {
    const char *text = json_string(json_get(object, key), NULL);
    if (!text)
        fault(r, key, "a string is expected");
    else if (strlen(text) > SNAPSHOT_TEXT_MAX)
        fault(r, key, "the string is too long");
    else
        return arena_strdup(r->arena, text);
    return "";
}

static const char *take_text_or_null(struct reader *r, const struct json *object, const char *key) {
    return json_type(json_get(object, key)) == JSON_NULL ? NULL : take_text(r, object, key);
}

static bool take_bool(struct reader *r, const struct json *object, const char *key) {
    const struct json *node = json_get(object, key);
    if (json_type(node) != JSON_BOOL)
        fault(r, key, "true or false is expected");
    return json_bool(node, false);
}

static int64_t take_int(struct reader *r, const struct json *object, const char *key, int64_t min, int64_t max) {
    const struct json *node = json_get(object, key);
    int64_t value = json_int(node, 0);
    if (json_type(node) != JSON_INT)
        fault(r, key, "a whole number is expected");
    else if (value < min || value > max)
        fault(r, key, "the number is out of range");
    else
        return value;
    return min;
}

static int64_t take_time(struct reader *r, const struct json *object, const char *key) {
    const struct json *node = json_get(object, key);
    int64_t unix_ms = 0;
    if (json_type(node) == JSON_NULL)
        return 0;
    if (!time_parse(json_string(node, NULL), &unix_ms) || unix_ms < 0) {
        fault(r, key, "a time like 2026-01-31T09:00:00Z, or null, is expected");
        return 0;
    }
    return unix_ms;
}

/* An enumeration by its names; count of them. */
static int take_name(struct reader *r, const struct json *object, const char *key, const char *(*name)(int),
                     int count) {
    const char *text = json_string(json_get(object, key), NULL);
    for (int i = 0; i < count; i++)
        if (str_eq(text, name(i)))
            return i;
    fault(r, key, "the name is not known");
    return 0;
}

static size_t take_array(struct reader *r, const struct json *object, const char *key, size_t max,
                         const struct json **ret) {
    *ret = json_get(object, key);
    size_t count = json_array_count(*ret);
    if (json_type(*ret) != JSON_ARRAY)
        fault(r, key, "an array is expected");
    else if (count > max)
        fault(r, key, "the array is too long");
    else
        return count;
    return 0;
}

/* Goes to the part under a key, which is an object. The caller cuts r->at back to what it was. */
static const struct json *enter(struct reader *r, const struct json *json, const char *key) {
    const struct json *part = json_get(json, key);
    size_t size = strlen(r->at);
    if (json_type(part) != JSON_OBJECT)
        fault(r, key, "an object is expected");
    (void)snprintf(r->at + size, sizeof(r->at) - size, ".%s", key);
    return part;
}

static const char *source_name(int value) {
    return source_state_name((enum source_state)value);
}

static const char *kind_name(int value) {
    return cloud_kind_name((enum cloud_kind)value);
}

static const char *state_name(int value) {
    return cloud_state_name((enum cloud_state)value);
}

static const char *basis_name(int value) {
    return basis_names[value];
}

/* ---- sources ---- */

static void print_source(const struct snapshot_source *source, struct json_writer *w) {
    jw_open(w, '{');
    put_text(w, "provider", source->provider);
    put_text(w, "region", source->region);
    jw_put_string(w, "kind", cloud_kind_name(source->kind));
    jw_put_string(w, "state", source_state_name(source->state));
    put_time(w, "asOf", source->as_of_ms);
    put_text(w, "message", source->message);
    jw_close(w, '}');
}

static struct snapshot_source read_source(struct reader *r, const struct json *json) {
    return (struct snapshot_source){
        .provider = take_text(r, json, "provider"),
        .region = take_text(r, json, "region"),
        .kind = (enum cloud_kind)take_name(r, json, "kind", kind_name, CLOUD_KIND_COUNT),
        .state = (enum source_state)take_name(r, json, "state", source_name, SOURCE_MISSING + 1),
        .as_of_ms = take_time(r, json, "asOf"),
        .message = take_text(r, json, "message"),
    };
}

/* ---- history ---- */

/* Left out where there are none: mostly. */
static void print_raises(const struct history_series *history, struct json_writer *w) {
    jw_key(w, "raises");
    jw_open(w, '[');
    for (size_t i = 0; i < history->raise_count; i++) {
        jw_open(w, '{');
        put_time(w, "time", history->raises[i].time_ms);
        jw_key(w, "demand");
        print_float(w, (float)history->raises[i].demand);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void print_history(const struct history_series *history, struct json_writer *w) {
    jw_open(w, '{');
    put_time(w, "start", history->start_ms);
    jw_put_int(w, "stepMs", history->step_ms);
    jw_put_string(w, "basis", basis_names[history->basis]);
    jw_key(w, "demand");
    jw_open(w, '[');
    for (size_t i = 0; i < history->count; i++) {
        if (isfinite(history->demand[i]))
            print_float(w, history->demand[i]);
        else
            jw_string(w, NULL);
    }
    jw_close(w, ']');
    jw_key(w, "saturated");
    jw_open(w, '[');
    for (size_t i = 0; i < history->count; i++)
        if (history_is_saturated(history, i))
            jw_int(w, (int64_t)i);
    jw_close(w, ']');
    if (history->raise_count > 0)
        print_raises(history, w);
    jw_close(w, '}');
}

static float read_sample(struct reader *r, const struct json *node, size_t i) {
    enum json_type type = json_type(node);
    if (type == JSON_NULL)
        return NAN;
    double value = json_double(node, -1);
    if ((type == JSON_INT || type == JSON_DOUBLE) && value >= 0 && isfinite((float)value))
        return (float)value;
    char key[48];
    snprintf(key, sizeof(key), "demand[%zu]", i);
    fault(r, key, "a demand of zero or more, or null, is expected");
    return NAN;
}

static const uint8_t *read_saturated(struct reader *r, const struct json *json, size_t count) {
    const struct json *slots;
    size_t slot_count = take_array(r, json, "saturated", count, &slots);
    if (slot_count == 0)
        return NULL;
    uint8_t *bits = arena_alloc(r->arena, count / 8 + 1);
    for (size_t i = 0; i < slot_count; i++) {
        int64_t slot = json_int(json_array_at(slots, i), -1);
        if (slot < 0 || slot >= (int64_t)count) {
            fault(r, "saturated", "the number of a sample is expected");
            return NULL;
        }
        bits[slot / 8] = (uint8_t)(bits[slot / 8] | 1u << slot % 8);
    }
    return bits;
}

static void read_raises(struct reader *r, const struct json *json, struct history_series *ret) {
    const struct json *raises;
    if (json_type(json_get(json, "raises")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "raises", HISTORY_RAISES_MAX, &raises);
    struct history_raise *to = arena_alloc_array(r->arena, count, sizeof(*to));
    for (size_t i = 0; i < count; i++) {
        const struct json *raise = json_array_at(raises, i);
        to[i] = (struct history_raise){take_time(r, raise, "time"), json_double(json_get(raise, "demand"), -1)};
        if (!(to[i].demand >= 0) || !isfinite((float)to[i].demand))
            fault(r, "raises", "each has a demand of zero or more");
        if (i > 0 && (to[i].time_ms <= to[i - 1].time_ms || to[i].demand >= to[i - 1].demand))
            fault(r, "raises", "they are ascending by time, descending by demand");
    }
    ret->raises = to;
    ret->raise_count = count;
}

static struct history_series read_history(struct reader *r, const struct json *json) {
    const struct json *samples;
    struct history_series history = {
        .start_ms = take_time(r, json, "start"),
        .step_ms = take_int(r, json, "stepMs", 1, STEP_MAX_MS),
        .basis = (enum history_basis)take_name(r, json, "basis", basis_name, ARRAY_LEN(basis_names)),
    };
    if (history.start_ms % history.step_ms)
        fault(r, "start", "it is not a multiple of stepMs");
    read_raises(r, json, &history);
    size_t count = take_array(r, json, "demand", JSON_SIZE_MAX, &samples);
    if (count == 0)
        return history;
    float *demand = arena_alloc_array(r->arena, count, sizeof(*demand));
    for (size_t i = 0; i < count && !r->failed; i++)
        demand[i] = read_sample(r, json_array_at(samples, i), i);
    history.count = count;
    history.demand = demand;
    history.saturated = read_saturated(r, json, count);
    return history;
}

/* ---- offers ---- */

static void put_price(struct json_writer *w, const char *key, money_micros price) {
    char text[MONEY_TEXT_MAX];
    jw_key(w, key);
    if (price >= 0)
        money_format(price, PRICE_DECIMALS, text);
    jw_string(w, price >= 0 ? text : NULL);
}

static void print_offer(const struct cloud_offer *offer, struct json_writer *w) {
    jw_open(w, '{');
    put_text(w, "region", offer->region);
    put_text(w, "type", offer->type);
    jw_put_int(w, "vcpuMilli", offer->vcpu_milli);
    jw_put_int(w, "memoryMiB", offer->memory_mib);
    jw_put_int(w, "gpu", offer->gpu);
    put_text(w, "architecture", offer->architecture);
    put_price(w, "priceHourly", offer->price_hourly);
    put_price(w, "priceSpotHourly", offer->price_spot_hourly);
    put_time(w, "asOf", offer->as_of_ms);
    put_text(w, "source", offer->source);
    jw_close(w, '}');
}

static money_micros take_price(struct reader *r, const struct json *json, const char *key) {
    const struct json *node = json_get(json, key);
    const char *text = json_string(node, NULL);
    money_micros price = -1;
    if (json_type(node) != JSON_NULL && (!text || !money_parse(text, &price) || price < 0))
        fault(r, key, "a price like 0.096, or null, is expected");
    return price;
}

static struct cloud_offer read_offer(struct reader *r, const struct json *json) {
    return (struct cloud_offer){
        .region = take_text(r, json, "region"),
        .type = take_text(r, json, "type"),
        .vcpu_milli = take_int(r, json, "vcpuMilli", 0, INT64_MAX),
        .memory_mib = take_int(r, json, "memoryMiB", 0, INT64_MAX),
        .gpu = take_int(r, json, "gpu", 0, INT64_MAX),
        .architecture = take_text(r, json, "architecture"),
        .price_hourly = take_price(r, json, "priceHourly"),
        .price_spot_hourly = take_price(r, json, "priceSpotHourly"),
        .as_of_ms = take_time(r, json, "asOf"),
        .source = take_text(r, json, "source"),
    };
}

/* ---- what is on a node ---- */

static void print_load(const struct cloud_load *load, struct json_writer *w) {
    jw_open(w, '{');
    put_text(w, "workload", load->workload);
    jw_put_int(w, "count", load->count);
    jw_put_int(w, "vcpuMilli", load->vcpu_milli);
    jw_put_int(w, "memoryMiB", load->memory_mib);
    put_text_or_null(w, "stays", load->stays);
    put_text(w, "keys", load->keys);
    jw_put_bool(w, "isApart", load->is_apart);
    jw_close(w, '}');
}

/* Left out where it is not known: mostly. */
static void print_node(const struct cloud_node *node, struct json_writer *w) {
    jw_key(w, "node");
    jw_open(w, '{');
    jw_put_int(w, "podsMax", node->pods_max);
    jw_put_int(w, "fixedPods", node->fixed_pods);
    jw_put_int(w, "fixedVcpuMilli", node->fixed_vcpu_milli);
    jw_put_int(w, "fixedMemoryMiB", node->fixed_memory_mib);
    put_text_or_null(w, "keep", node->keep);
    put_text(w, "taints", node->taints);
    jw_put_int(w, "pending", node->pending);
    jw_key(w, "loads");
    jw_open(w, '[');
    for (size_t i = 0; i < node->load_count; i++)
        print_load(&node->loads[i], w);
    jw_close(w, ']');
    jw_close(w, '}');
}

static struct cloud_load read_load(struct reader *r, const struct json *json) {
    return (struct cloud_load){
        .workload = take_text(r, json, "workload"),
        .count = take_int(r, json, "count", 0, INT64_MAX),
        .vcpu_milli = take_int(r, json, "vcpuMilli", 0, INT64_MAX),
        .memory_mib = take_int(r, json, "memoryMiB", 0, INT64_MAX),
        .stays = take_text_or_null(r, json, "stays"),
        .keys = take_text(r, json, "keys"),
        .is_apart = take_bool(r, json, "isApart"),
    };
}

static const struct cloud_node *read_node(struct reader *r, const struct json *resource) {
    const struct json *json = json_get(resource, "node"), *array;
    size_t at_size = strlen(r->at);
    if (json_type(json) == JSON_NULL)
        return NULL;
    json = enter(r, resource, "node");
    struct cloud_node *node = arena_alloc(r->arena, sizeof(*node));
    *node = (struct cloud_node){
        .pods_max = take_int(r, json, "podsMax", 0, INT64_MAX),
        .fixed_pods = take_int(r, json, "fixedPods", 0, INT64_MAX),
        .fixed_vcpu_milli = take_int(r, json, "fixedVcpuMilli", 0, INT64_MAX),
        .fixed_memory_mib = take_int(r, json, "fixedMemoryMiB", 0, INT64_MAX),
        .keep = take_text_or_null(r, json, "keep"),
        .taints = take_text(r, json, "taints"),
        .pending = take_int(r, json, "pending", 0, INT64_MAX),
    };
    size_t count = take_array(r, json, "loads", JSON_SIZE_MAX, &array);
    struct cloud_load *loads = arena_alloc_array(r->arena, count, sizeof(*loads));
    for (size_t i = 0; i < count && !r->failed; i++) {
        loads[i] = read_load(r, json_array_at(array, i));
        if (!r->failed && i > 0 && cloud_load_cmp(&loads[i - 1], &loads[i]) >= 0)
            fault(r, "loads", "they are sorted by workload and requests, each once");
    }
    node->loads = loads;
    node->load_count = count;
    r->at[at_size] = '\0';
    return node;
}

/* ---- resources ---- */

static void print_tags(const struct cloud_resource *resource, struct json_writer *w) {
    jw_key(w, "tags");
    jw_open(w, '{');
    for (size_t i = 0; i < resource->tag_count; i++)
        put_text(w, resource->tags[i].key, resource->tags[i].value);
    jw_close(w, '}');
}

static void print_cloud_resource(const struct cloud_resource *resource, struct json_writer *w) {
    put_text(w, "region", resource->region);
    put_text(w, "zone", resource->zone);
    jw_put_string(w, "kind", cloud_kind_name(resource->kind));
    put_text(w, "id", resource->id);
    put_text(w, "name", resource->name);
    put_text(w, "type", resource->type);
    jw_put_string(w, "state", cloud_state_name(resource->state));
    jw_put_int(w, "count", resource->count);
    jw_put_int(w, "countMin", resource->count_min);
    jw_put_int(w, "countMax", resource->count_max);
    jw_put_int(w, "serving", resource->serving);
    jw_put_int(w, "vcpuMilli", resource->vcpu_milli);
    jw_put_int(w, "memoryMiB", resource->memory_mib);
    jw_put_int(w, "drifted", resource->drifted);
    put_time(w, "createdAt", resource->created_at_ms);
    put_time(w, "stateSince", resource->state_since_ms);
    put_time(w, "asOf", resource->as_of_ms);
    put_price(w, "priceHourly", resource->price_hourly);
    jw_put_bool(w, "isSpot", resource->is_spot);
    put_text_or_null(w, "parent", resource->parent);
    put_text_or_null(w, "countManager", resource->count_manager);
    put_text_or_null(w, "sizeManager", resource->size_manager);
    if (resource->node)
        print_node(resource->node, w);
    print_tags(resource, w);
}

static void read_tags(struct reader *r, const struct json *json, struct cloud_resource *ret) {
    size_t count = json_object_count(json);
    if (json_type(json) != JSON_OBJECT || count > SNAPSHOT_TAGS_MAX) {
        fault(r, "tags", "an object of few strings is expected");
        return;
    }
    struct cloud_tag *tags = arena_alloc_array(r->arena, count, sizeof(*tags));
    for (struct json_iter it = json_iter(json); json_iter_next(&it);) {
        const char *value = json_string(it.value, NULL);
        if (!value || strlen(value) > SNAPSHOT_TEXT_MAX || strlen(it.key) > SNAPSHOT_TEXT_MAX) {
            fault(r, "tags", "an object of short strings is expected");
            return;
        }
        tags[ret->tag_count++] = (struct cloud_tag){arena_strdup(r->arena, it.key), arena_strdup(r->arena, value)};
    }
    if (count)
        qsort(tags, count, sizeof(*tags), cloud_tag_cmp);
    ret->tags = tags;
}

static struct cloud_resource read_cloud_resource(struct reader *r, const struct json *json) {
    struct cloud_resource resource = {
        .region = take_text(r, json, "region"),
        .zone = take_text(r, json, "zone"),
        .kind = (enum cloud_kind)take_name(r, json, "kind", kind_name, CLOUD_KIND_COUNT),
        .id = take_text(r, json, "id"),
        .name = take_text(r, json, "name"),
        .type = take_text(r, json, "type"),
        .state = (enum cloud_state)take_name(r, json, "state", state_name, CLOUD_STATE_COUNT),
        .count = take_int(r, json, "count", 0, INT64_MAX),
        .count_min = take_int(r, json, "countMin", 0, INT64_MAX),
        .count_max = take_int(r, json, "countMax", 0, INT64_MAX),
        .serving = take_int(r, json, "serving", 0, INT64_MAX),
        .vcpu_milli = take_int(r, json, "vcpuMilli", 0, INT64_MAX),
        .memory_mib = take_int(r, json, "memoryMiB", 0, INT64_MAX),
        .drifted = take_int(r, json, "drifted", 0, INT64_MAX),
        .created_at_ms = take_time(r, json, "createdAt"),
        .state_since_ms = take_time(r, json, "stateSince"),
        .as_of_ms = take_time(r, json, "asOf"),
        .price_hourly = take_price(r, json, "priceHourly"),
        .is_spot = take_bool(r, json, "isSpot"),
        .parent = take_text_or_null(r, json, "parent"),
        .count_manager = take_text_or_null(r, json, "countManager"),
        .size_manager = take_text_or_null(r, json, "sizeManager"),
    };
    resource.node = read_node(r, json);
    read_tags(r, json_get(json, "tags"), &resource);
    return resource;
}

/* Left out where there is none: mostly. */
static void print_change(const struct snapshot_change *change, struct json_writer *w) {
    if (change->at_ms == 0)
        return;
    jw_key(w, "lastChange");
    jw_open(w, '{');
    put_time(w, "time", change->at_ms);
    put_text(w, "provider", change->provider);
    put_text(w, "region", change->region);
    put_text(w, "instanceType", change->type);
    jw_close(w, '}');
}

static void print_resource(const struct snapshot_resource *entry, struct json_writer *w) {
    jw_open(w, '{');
    put_text(w, "provider", entry->provider);
    jw_put_int(w, "source", (int64_t)entry->source);
    print_cloud_resource(&entry->resource, w);
    jw_put_int(w, "capacityPerMachine", entry->capacity_per_machine);
    put_text_or_null(w, "claimedBy", entry->claimed_by);
    jw_key(w, "offer");
    if (entry->has_offer)
        print_offer(&entry->offer, w);
    else
        jw_string(w, NULL);
    jw_key(w, "history");
    print_history(&entry->history, w);
    print_change(&entry->last_change, w);
    jw_close(w, '}');
}

static struct snapshot_change read_change(struct reader *r, const struct json *json) {
    return (struct snapshot_change){
        .at_ms = take_time(r, json, "time"),
        .provider = take_text(r, json, "provider"),
        .region = take_text(r, json, "region"),
        .type = take_text(r, json, "instanceType"),
    };
}

static struct snapshot_resource read_resource(struct reader *r, const struct json *json,
                                              const struct snapshot *snapshot) {
    size_t at_size = strlen(r->at);
    struct snapshot_resource entry = {
        .provider = take_text(r, json, "provider"),
        .source = (size_t)take_int(r, json, "source", 0, SNAPSHOT_SOURCES_MAX),
        .resource = read_cloud_resource(r, json),
        .capacity_per_machine = take_int(r, json, "capacityPerMachine", 0, INT64_MAX),
        .claimed_by = take_text_or_null(r, json, "claimedBy"),
    };
    if (entry.source >= snapshot->source_count)
        fault(r, "source", "there is no such source");
    else if (!str_eq(snapshot->sources[entry.source].provider, entry.provider) ||
             !str_eq(snapshot->sources[entry.source].region, entry.resource.region) ||
             snapshot->sources[entry.source].kind != entry.resource.kind)
        fault(r, "source", "it is of another provider, region or kind");
    entry.has_offer = json_type(json_get(json, "offer")) != JSON_NULL;
    if (entry.has_offer) {
        entry.offer = read_offer(r, enter(r, json, "offer"));
        r->at[at_size] = '\0';
    }
    entry.history = read_history(r, enter(r, json, "history"));
    r->at[at_size] = '\0';
    if (json_type(json_get(json, "lastChange")) != JSON_NULL) {
        entry.last_change = read_change(r, enter(r, json, "lastChange"));
        r->at[at_size] = '\0';
    }
    return entry;
}

/* ---- donors ---- */

/* Left out where there are none: mostly. */
static void print_donors(const struct snapshot *snapshot, struct json_writer *w) {
    jw_key(w, "donors");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->donor_count; i++) {
        const struct snapshot_donor *donor = &snapshot->donors[i];
        jw_open(w, '{');
        put_text(w, "provider", donor->provider);
        put_text(w, "region", donor->resource.region);
        jw_put_string(w, "kind", cloud_kind_name(donor->resource.kind));
        put_text(w, "id", donor->resource.id);
        print_tags(&donor->resource, w);
        jw_key(w, "history");
        print_history(&donor->history, w);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void read_donors(struct reader *r, const struct json *json, struct snapshot *ret) {
    const struct json *array;
    if (json_type(json_get(json, "donors")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "donors", SNAPSHOT_DONORS_MAX, &array);
    struct snapshot_donor *donors = arena_alloc_array(r->arena, count, sizeof(*donors));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct json *one = json_array_at(array, i);
        snprintf(r->at, sizeof(r->at), "donors[%zu]", i);
        donors[i] = (struct snapshot_donor){
            .provider = take_text(r, one, "provider"),
            .resource = {.region = take_text(r, one, "region"),
                         .kind = (enum cloud_kind)take_name(r, one, "kind", kind_name, CLOUD_KIND_COUNT),
                         .id = take_text(r, one, "id")}};
        read_tags(r, json_get(one, "tags"), &donors[i].resource);
        donors[i].history = read_history(r, enter(r, one, "history"));
    }
    r->at[0] = '\0';
    ret->donors = donors;
    ret->donor_count = count;
}

/* ---- the whole ---- */

/* Left out where there are none: who only scales needs none. */
static void print_offers(const struct snapshot *snapshot, struct json_writer *w) {
    jw_key(w, "offers");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->offer_count; i++) {
        jw_open(w, '{');
        put_text(w, "provider", snapshot->offers[i].provider);
        jw_key(w, "offer");
        print_offer(&snapshot->offers[i].offer, w);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

/* Left out where there are none. */
static void print_limits(const struct snapshot *snapshot, struct json_writer *w) {
    jw_key(w, "limits");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->limit_count; i++) {
        const struct cloud_limit *limit = &snapshot->limits[i].limit;
        jw_open(w, '{');
        put_text(w, "provider", snapshot->limits[i].provider);
        put_text(w, "region", limit->region);
        put_text(w, "id", limit->id);
        put_text(w, "name", limit->name);
        put_text(w, "types", limit->types);
        put_text(w, "unit", limit->unit);
        jw_key(w, "value");
        jw_double(w, limit->value);
        jw_key(w, "used");
        if (limit->used >= 0)
            jw_double(w, limit->used);
        else
            jw_string(w, NULL);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

/* Left out where there are none. */
static void print_commitments(const struct snapshot *snapshot, struct json_writer *w) {
    jw_key(w, "commitments");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->commitment_count; i++) {
        const struct cloud_commitment *c = &snapshot->commitments[i].commitment;
        jw_open(w, '{');
        put_text(w, "provider", snapshot->commitments[i].provider);
        put_text(w, "region", c->region);
        put_text(w, "id", c->id);
        put_text(w, "types", c->types);
        jw_put_int(w, c->is_vcpu ? "vcpu" : "machines", c->amount);
        put_price(w, "priceHourly", c->price_hourly);
        put_time(w, "endsAt", c->ends_at_ms);
        jw_put_int(w, "usedMilli", snapshot->commitments[i].used_milli);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void print_outages(const struct snapshot *snapshot, struct json_writer *w) {
    jw_key(w, "outages");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->outage_count; i++) {
        const struct snapshot_outage *outage = &snapshot->outages[i];
        jw_open(w, '{');
        put_text(w, "provider", outage->provider);
        put_text(w, "region", outage->region);
        put_text(w, "instanceType", outage->type);
        jw_put_bool(w, "spot", outage->is_spot);
        put_time(w, "until", outage->until_ms);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

void snapshot_print_json(const struct snapshot *snapshot, struct json_writer *w) {
    jw_open(w, '{');
    put_time(w, "asOf", snapshot->as_of_ms);
    jw_key(w, "sources");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->source_count; i++)
        print_source(&snapshot->sources[i], w);
    jw_close(w, ']');
    jw_key(w, "resources");
    jw_open(w, '[');
    for (size_t i = 0; i < snapshot->resource_count; i++)
        print_resource(&snapshot->resources[i], w);
    jw_close(w, ']');
    if (snapshot->donor_count > 0)
        print_donors(snapshot, w);
    if (snapshot->offer_count > 0)
        print_offers(snapshot, w);
    if (snapshot->limit_count > 0)
        print_limits(snapshot, w);
    if (snapshot->commitment_count > 0)
        print_commitments(snapshot, w);
    if (snapshot->outage_count > 0)
        print_outages(snapshot, w);
    jw_close(w, '}');
}

static void read_offers(struct reader *r, const struct json *json, struct snapshot *ret) {
    const struct json *array;
    if (json_type(json_get(json, "offers")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "offers", SNAPSHOT_OFFERS_MAX, &array);
    struct snapshot_offer *offers = arena_alloc_array(r->arena, count, sizeof(*offers));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct json *one = json_array_at(array, i);
        snprintf(r->at, sizeof(r->at), "offers[%zu]", i);
        offers[i].provider = take_text(r, one, "provider");
        size_t at_size = strlen(r->at);
        offers[i].offer = read_offer(r, enter(r, one, "offer"));
        r->at[at_size] = '\0';
        if (!r->failed && i > 0 && snapshot_offer_cmp(&offers[i - 1], &offers[i]) >= 0)
            fault(r, "", "offers are sorted by provider, region and type, each once");
    }
    ret->offers = offers;
    ret->offer_count = count;
}

static double take_amount(struct reader *r, const struct json *object, const char *key) {
    const struct json *node = json_get(object, key);
    double value = json_double(node, -1);
    enum json_type type = json_type(node);
    if ((type == JSON_INT || type == JSON_DOUBLE) && value >= 0 && isfinite(value))
        return value;
    fault(r, key, "a number of zero or more is expected");
    return 0;
}

static void read_limits(struct reader *r, const struct json *json, struct snapshot *ret) {
    const struct json *array;
    if (json_type(json_get(json, "limits")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "limits", SNAPSHOT_LIMITS_MAX, &array);
    struct snapshot_limit *limits = arena_alloc_array(r->arena, count, sizeof(*limits));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct json *one = json_array_at(array, i);
        snprintf(r->at, sizeof(r->at), "limits[%zu]", i);
        bool is_unknown = json_type(json_get(one, "used")) == JSON_NULL;
        limits[i] = (struct snapshot_limit){.provider = take_text(r, one, "provider"),
                                            .limit = {.region = take_text(r, one, "region"),
                                                      .id = take_text(r, one, "id"),
                                                      .name = take_text(r, one, "name"),
                                                      .types = take_text(r, one, "types"),
                                                      .unit = take_text(r, one, "unit"),
                                                      .value = take_amount(r, one, "value"),
                                                      .used = is_unknown ? -1 : take_amount(r, one, "used")}};
        if (!r->failed && i > 0 && snapshot_limit_cmp(&limits[i - 1], &limits[i]) >= 0)
            fault(r, "", "limits are sorted by provider, region and id, each once");
    }
    ret->limits = limits;
    ret->limit_count = count;
}

static struct snapshot_commitment read_commitment(struct reader *r, const struct json *json) {
    bool is_vcpu = json_type(json_get(json, "vcpu")) != JSON_NULL;
    return (struct snapshot_commitment){
        .provider = take_text(r, json, "provider"),
        .commitment = {.region = take_text(r, json, "region"),
                       .id = take_text(r, json, "id"),
                       .types = take_text(r, json, "types"),
                       .is_vcpu = is_vcpu,
                       .amount = take_int(r, json, is_vcpu ? "vcpu" : "machines", 0, CLOUD_COMMITMENT_MAX),
                       .price_hourly = take_price(r, json, "priceHourly"),
                       .ends_at_ms = take_time(r, json, "endsAt")},
        .used_milli = take_int(r, json, "usedMilli", 0, INT64_MAX),
    };
}

static void read_commitments(struct reader *r, const struct json *json, struct snapshot *ret) {
    const struct json *array;
    if (json_type(json_get(json, "commitments")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "commitments", SNAPSHOT_COMMITMENTS_MAX, &array);
    struct snapshot_commitment *commitments = arena_alloc_array(r->arena, count, sizeof(*commitments));
    for (size_t i = 0; i < count && !r->failed; i++) {
        snprintf(r->at, sizeof(r->at), "commitments[%zu]", i);
        commitments[i] = read_commitment(r, json_array_at(array, i));
        if (!r->failed && i > 0 && snapshot_commitment_cmp(&commitments[i - 1], &commitments[i]) >= 0)
            fault(r, "", "commitments are sorted by provider, region and id, each once");
    }
    ret->commitments = commitments;
    ret->commitment_count = count;
}

static void read_outages(struct reader *r, const struct json *json, struct snapshot *ret) {
    const struct json *array;
    if (json_type(json_get(json, "outages")) == JSON_NULL)
        return;
    size_t count = take_array(r, json, "outages", SNAPSHOT_OUTAGES_MAX, &array);
    struct snapshot_outage *outages = arena_alloc_array(r->arena, count, sizeof(*outages));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct json *one = json_array_at(array, i);
        snprintf(r->at, sizeof(r->at), "outages[%zu]", i);
        outages[i] = (struct snapshot_outage){.provider = take_text(r, one, "provider"),
                                              .region = take_text(r, one, "region"),
                                              .type = take_text(r, one, "instanceType"),
                                              .is_spot = take_bool(r, one, "spot"),
                                              .until_ms = take_time(r, one, "until")};
        if (!r->failed && i > 0 && snapshot_outage_cmp(&outages[i - 1], &outages[i]) >= 0)
            fault(r, "", "outages are sorted by provider, region, type and spot, each once");
    }
    ret->outages = outages;
    ret->outage_count = count;
}

enum err_class snapshot_read_json(const struct json *json, struct arena *arena, struct snapshot *ret,
                                  struct error *err) {
    struct reader r = {.arena = arena, .err = err};
    const struct json *array;
    if (json_type(json) != JSON_OBJECT)
        fault(&r, "snapshot", "an object is expected");
    struct snapshot snapshot = {.as_of_ms = take_time(&r, json, "asOf")};
    size_t count = take_array(&r, json, "sources", SNAPSHOT_SOURCES_MAX, &array);
    struct snapshot_source *sources = arena_alloc_array(arena, count, sizeof(*sources));
    for (size_t i = 0; i < count && !r.failed; i++) {
        snprintf(r.at, sizeof(r.at), "sources[%zu]", i);
        sources[i] = read_source(&r, json_array_at(array, i));
    }
    r.at[0] = '\0';
    snapshot.sources = sources;
    snapshot.source_count = count;
    count = take_array(&r, json, "resources", SNAPSHOT_RESOURCES_MAX, &array);
    struct snapshot_resource *resources = arena_alloc_array(arena, count, sizeof(*resources));
    for (size_t i = 0; i < count && !r.failed; i++) {
        snprintf(r.at, sizeof(r.at), "resources[%zu]", i);
        resources[i] = read_resource(&r, json_array_at(array, i), &snapshot);
    }
    if (r.failed)
        return err->class;
    snapshot.resources = resources;
    snapshot.resource_count = count;
    r.at[0] = '\0';
    read_donors(&r, json, &snapshot);
    if (!r.failed)
        read_offers(&r, json, &snapshot);
    r.at[0] = '\0';
    if (!r.failed)
        read_limits(&r, json, &snapshot);
    r.at[0] = '\0';
    if (!r.failed)
        read_commitments(&r, json, &snapshot);
    r.at[0] = '\0';
    if (!r.failed)
        read_outages(&r, json, &snapshot);
    if (r.failed)
        return err->class;
    *ret = snapshot;
    return ERR_NONE;
}
