/*
 * Snapshots as JSON: exact there and back, the same bytes each time, faults told with their path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "observe/snapshot_json.h"

#define SAMPLES_MAX 70
#define STEP_MS INT64_C(300000)

static uint64_t random_state;

static uint64_t next_random(void) { /* splitmix64 */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int64_t below(int64_t limit) {
    return (int64_t)(next_random() % (uint64_t)limit);
}

static bool one_in(int64_t n) {
    return below(n) == 0;
}

/* Any bit pattern of a finite float that is not negative, or a gap. */
static float any_demand(void) {
    uint32_t bits = (uint32_t)next_random() & 0x7fffffffu;
    float value;
    memcpy(&value, &bits, sizeof(value));
    if (one_in(8))
        return NAN;
    if (one_in(2))
        return (float)below(100000) / 1000;
    return isfinite(value) ? value : 0;
}

static const char *any_text(struct arena *arena) {
    static const char *const pieces[] = {"", "web", "結", "\"\\/", "a\nb\x01", "é", " ", "𝄞"};
    return arena_printf(arena, "%s%s%lld", pieces[below(ARRAY_LEN(pieces))], pieces[below(ARRAY_LEN(pieces))],
                        (long long)below(1000));
}

static int64_t any_time(void) {
    return one_in(4) ? 0 : 1 + below(INT64_C(253402300799999));
}

static int64_t any_count(void) {
    return one_in(8) ? INT64_MAX : below(1000);
}

static struct history_series any_history(struct arena *arena) {
    size_t count = (size_t)below(SAMPLES_MAX);
    float *demand = arena_alloc_array(arena, count + 1, sizeof(*demand));
    uint8_t *saturated = arena_alloc(arena, count / 8 + 1);
    for (size_t i = 0; i < count; i++) {
        demand[i] = any_demand();
        if (one_in(3))
            saturated[i / 8] = (uint8_t)(saturated[i / 8] | 1u << i % 8);
    }
    size_t raise_count = one_in(3) ? (size_t)below(HISTORY_RAISES_MAX) : 0;
    struct history_raise *raises = arena_alloc_array(arena, raise_count, sizeof(*raises));
    for (size_t i = 0; i < raise_count; i++)
        raises[i] = (struct history_raise){(int64_t)(i + 1) * 1001, (double)(1000 - i) + 0.5};
    return (struct history_series){.start_ms = (1 + below(6000000)) * STEP_MS,
                                   .raises = raises,
                                   .raise_count = raise_count,
                                   .step_ms = STEP_MS,
                                   .count = count,
                                   .demand = demand,
                                   .saturated = one_in(4) ? NULL : saturated,
                                   .basis = (enum history_basis)below(2)};
}

static const struct cloud_node *any_node(struct arena *arena) {
    struct cloud_node *node = arena_alloc(arena, sizeof(*node));
    struct cloud_load *loads = arena_alloc_array(arena, 4, sizeof(*loads));
    *node = (struct cloud_node){.pods_max = any_count(),
                                .fixed_pods = any_count(),
                                .fixed_vcpu_milli = any_count(),
                                .fixed_memory_mib = any_count(),
                                .keep = one_in(2) ? NULL : any_text(arena),
                                .taints = any_text(arena),
                                .pending = any_count(),
                                .loads = loads,
                                .load_count = (size_t)below(4)};
    for (size_t i = 0; i < node->load_count; i++)
        loads[i] = (struct cloud_load){.workload = arena_printf(arena, "%zu%s", i, any_text(arena)),
                                       .count = any_count(),
                                       .vcpu_milli = any_count(),
                                       .memory_mib = any_count(),
                                       .stays = one_in(2) ? NULL : any_text(arena),
                                       .keys = any_text(arena),
                                       .is_apart = one_in(2)};
    return node;
}

static struct cloud_resource any_cloud_resource(struct arena *arena, const struct snapshot_source *source) {
    size_t tag_count = (size_t)below(4);
    struct cloud_tag *tags = arena_alloc_array(arena, tag_count + 1, sizeof(*tags));
    for (size_t i = 0; i < tag_count; i++)
        tags[i] = (struct cloud_tag){arena_printf(arena, "k%zu%s", i, any_text(arena)), any_text(arena)};
    return (struct cloud_resource){.kind = source->kind,
                                   .state = (enum cloud_state)below(CLOUD_STATE_COUNT),
                                   .region = source->region,
                                   .zone = any_text(arena),
                                   .id = any_text(arena),
                                   .name = any_text(arena),
                                   .type = any_text(arena),
                                   .count = any_count(),
                                   .count_min = any_count(),
                                   .count_max = any_count(),
                                   .serving = any_count(),
                                   .vcpu_milli = any_count(),
                                   .memory_mib = any_count(),
                                   .drifted = any_count(),
                                   .created_at_ms = any_time(),
                                   .state_since_ms = any_time(),
                                   .as_of_ms = any_time(),
                                   .price_hourly = one_in(2) ? 0 : below(INT64_C(1000000000000)),
                                   .is_spot = one_in(2),
                                   .parent = one_in(2) ? NULL : any_text(arena),
                                   .count_manager = one_in(2) ? NULL : any_text(arena),
                                   .size_manager = one_in(2) ? NULL : any_text(arena),
                                   .node = one_in(2) ? NULL : any_node(arena),
                                   .tags = tags,
                                   .tag_count = tag_count};
}

static struct cloud_offer any_offer(struct arena *arena) {
    return (struct cloud_offer){.region = any_text(arena),
                                .type = any_text(arena),
                                .vcpu_milli = any_count(),
                                .memory_mib = any_count(),
                                .gpu = any_count(),
                                .architecture = any_text(arena),
                                .price_spot_hourly = one_in(4) ? -1 : below(INT64_C(1000000000000)),
                                .price_hourly = one_in(4) ? -1 : below(INT64_C(1000000000000)),
                                .as_of_ms = any_time(),
                                .source = any_text(arena)};
}

static struct snapshot_resource any_resource(struct arena *arena, const struct snapshot *snapshot) {
    size_t source = (size_t)below((int64_t)snapshot->source_count);
    struct snapshot_resource entry = {
        .provider = snapshot->sources[source].provider,
        .source = source,
        .resource = any_cloud_resource(arena, &snapshot->sources[source]),
        .has_offer = one_in(2),
        .history = any_history(arena),
        .capacity_per_machine = any_count(),
        .claimed_by = one_in(3) ? any_text(arena) : NULL,
    };
    if (entry.has_offer)
        entry.offer = any_offer(arena);
    if (one_in(3))
        entry.last_change =
            (struct snapshot_change){1 + below(1000000), any_text(arena), any_text(arena), any_text(arena)};
    return entry;
}

static void add_commitments(struct snapshot *snapshot, struct arena *arena) {
    snapshot->commitment_count = (size_t)below(4);
    struct snapshot_commitment *commitments =
        arena_alloc_array(arena, snapshot->commitment_count + 1, sizeof(*commitments));
    for (size_t i = 0; i < snapshot->commitment_count; i++)
        commitments[i] =
            (struct snapshot_commitment){.provider = arena_printf(arena, "%zu%s", i, any_text(arena)),
                                         .commitment = {.region = any_text(arena),
                                                        .id = any_text(arena),
                                                        .types = any_text(arena),
                                                        .is_vcpu = below(2) == 1,
                                                        .amount = below(1000),
                                                        .price_hourly = below(3) ? below(1000000) : -1,
                                                        .ends_at_ms = below(3) ? 1000 * below(1 << 30) : 0},
                                         .used_milli = below(1000000)};
    snapshot->commitments = commitments;
}

static void add_outages(struct snapshot *snapshot, struct arena *arena) {
    snapshot->outage_count = (size_t)below(4);
    struct snapshot_outage *outages = arena_alloc_array(arena, snapshot->outage_count + 1, sizeof(*outages));
    for (size_t i = 0; i < snapshot->outage_count; i++)
        outages[i] = (struct snapshot_outage){.provider = arena_printf(arena, "%zu%s", i, any_text(arena)),
                                              .region = any_text(arena),
                                              .type = any_text(arena),
                                              .is_spot = below(2) == 1,
                                              .until_ms = 1000 * (1 + below(1 << 30))};
    snapshot->outages = outages;
}

static struct snapshot any_snapshot(struct arena *arena) {
    struct snapshot snapshot = {.as_of_ms = any_time(), .source_count = 1 + (size_t)below(3)};
    struct snapshot_source *sources = arena_alloc_array(arena, snapshot.source_count, sizeof(*sources));
    for (size_t i = 0; i < snapshot.source_count; i++)
        sources[i] = (struct snapshot_source){.provider = any_text(arena),
                                              .region = any_text(arena),
                                              .kind = (enum cloud_kind)below(CLOUD_KIND_COUNT),
                                              .state = (enum source_state)below(4),
                                              .as_of_ms = any_time(),
                                              .message = any_text(arena)};
    snapshot.sources = sources;
    snapshot.resource_count = (size_t)below(4);
    struct snapshot_resource *resources = arena_alloc_array(arena, snapshot.resource_count + 1, sizeof(*resources));
    for (size_t i = 0; i < snapshot.resource_count; i++)
        resources[i] = any_resource(arena, &snapshot);
    snapshot.resources = resources;
    snapshot.donor_count = (size_t)below(3);
    struct snapshot_donor *donors = arena_alloc_array(arena, snapshot.donor_count + 1, sizeof(*donors));
    for (size_t i = 0; i < snapshot.donor_count; i++) {
        const struct cloud_resource whole = any_cloud_resource(arena, &sources[0]);
        donors[i] = (struct snapshot_donor){any_text(arena),
                                            {.kind = whole.kind,
                                             .region = any_text(arena),
                                             .id = whole.id,
                                             .tags = whole.tags,
                                             .tag_count = whole.tag_count},
                                            any_history(arena)};
    }
    snapshot.donors = donors;
    snapshot.offer_count = (size_t)below(4);
    struct snapshot_offer *offers = arena_alloc_array(arena, snapshot.offer_count + 1, sizeof(*offers));
    for (size_t i = 0; i < snapshot.offer_count; i++)
        offers[i] = (struct snapshot_offer){arena_printf(arena, "%zu%s", i, any_text(arena)), any_offer(arena)};
    snapshot.offers = offers;
    snapshot.limit_count = (size_t)below(4);
    struct snapshot_limit *limits = arena_alloc_array(arena, snapshot.limit_count + 1, sizeof(*limits));
    for (size_t i = 0; i < snapshot.limit_count; i++)
        limits[i] = (struct snapshot_limit){arena_printf(arena, "%zu%s", i, any_text(arena)),
                                            {.region = any_text(arena),
                                             .id = any_text(arena),
                                             .name = any_text(arena),
                                             .types = any_text(arena),
                                             .unit = any_text(arena),
                                             .value = (double)below(1000) / 8,
                                             .used = below(3) ? (double)below(1000) / 8 : -1}};
    snapshot.limits = limits;
    add_commitments(&snapshot, arena);
    add_outages(&snapshot, arena);
    return snapshot;
}

/* ---- comparing ---- */

#define SAME_TEXT(a, b, field) cr_assert_str_eq((a)->field, (b)->field)
#define SAME_INT(a, b, field) cr_assert_eq((a)->field, (b)->field, #field)

static void check_history(const struct history_series *a, const struct history_series *b) {
    SAME_INT(a, b, start_ms);
    SAME_INT(a, b, step_ms);
    SAME_INT(a, b, basis);
    SAME_INT(a, b, count);
    for (size_t i = 0; i < a->count; i++) {
        cr_assert(isnan(a->demand[i]) ? isnan(b->demand[i]) : memcmp(&a->demand[i], &b->demand[i], 4) == 0,
                  "sample %zu: %.9g became %.9g", i, (double)a->demand[i], (double)b->demand[i]);
        cr_assert_eq(history_is_saturated(a, i), history_is_saturated(b, i));
    }
    cr_assert_eq(a->raise_count, b->raise_count);
    for (size_t i = 0; i < a->raise_count; i++)
        cr_assert(a->raises[i].time_ms == b->raises[i].time_ms && a->raises[i].demand == b->raises[i].demand);
}

static void check_node(const struct cloud_node *a, const struct cloud_node *b) {
    cr_assert_eq(a == NULL, b == NULL);
    if (a == NULL)
        return;
    SAME_INT(a, b, pods_max);
    SAME_INT(a, b, fixed_pods);
    SAME_INT(a, b, fixed_vcpu_milli);
    SAME_INT(a, b, fixed_memory_mib);
    SAME_INT(a, b, pending);
    cr_assert(str_eq(a->keep, b->keep) && str_eq(a->taints, b->taints));
    SAME_INT(a, b, load_count);
    for (size_t i = 0; i < a->load_count; i++) {
        cr_assert_eq(cloud_load_cmp(&a->loads[i], &b->loads[i]), 0);
        SAME_INT(a, b, loads[i].count);
    }
}

static void check_cloud_resource(const struct cloud_resource *a, const struct cloud_resource *b) {
    SAME_INT(a, b, kind);
    SAME_INT(a, b, state);
    SAME_TEXT(a, b, region);
    SAME_TEXT(a, b, zone);
    SAME_TEXT(a, b, id);
    SAME_TEXT(a, b, name);
    SAME_TEXT(a, b, type);
    SAME_INT(a, b, count);
    SAME_INT(a, b, count_min);
    SAME_INT(a, b, count_max);
    SAME_INT(a, b, serving);
    SAME_INT(a, b, vcpu_milli);
    SAME_INT(a, b, memory_mib);
    SAME_INT(a, b, created_at_ms);
    SAME_INT(a, b, state_since_ms);
    SAME_INT(a, b, as_of_ms);
    SAME_INT(a, b, drifted);
    SAME_INT(a, b, price_hourly);
    SAME_INT(a, b, is_spot);
    cr_assert(str_eq(a->parent, b->parent));
    cr_assert(str_eq(a->count_manager, b->count_manager));
    cr_assert(str_eq(a->size_manager, b->size_manager));
    check_node(a->node, b->node);
    SAME_INT(a, b, tag_count);
    for (size_t i = 0; i < a->tag_count; i++)
        cr_assert_str_eq(cloud_resource_tag(b, a->tags[i].key), a->tags[i].value);
}

static void check_offer(const struct cloud_offer *a, const struct cloud_offer *b) {
    SAME_TEXT(a, b, region);
    SAME_TEXT(a, b, type);
    SAME_TEXT(a, b, source);
    SAME_INT(a, b, vcpu_milli);
    SAME_INT(a, b, memory_mib);
    SAME_INT(a, b, price_hourly);
    SAME_INT(a, b, gpu);
    SAME_TEXT(a, b, architecture);
    SAME_INT(a, b, price_spot_hourly);
    SAME_INT(a, b, as_of_ms);
}

static void check_resource(const struct snapshot_resource *a, const struct snapshot_resource *b) {
    SAME_TEXT(a, b, provider);
    SAME_INT(a, b, source);
    check_cloud_resource(&a->resource, &b->resource);
    SAME_INT(a, b, has_offer);
    if (a->has_offer)
        check_offer(&a->offer, &b->offer);
    SAME_INT(a, b, last_change.at_ms);
    cr_assert(str_eq(a->last_change.provider, b->last_change.provider));
    cr_assert(str_eq(a->last_change.region, b->last_change.region));
    cr_assert(str_eq(a->last_change.type, b->last_change.type));
    check_history(&a->history, &b->history);
    SAME_INT(a, b, capacity_per_machine);
    cr_assert(str_eq(a->claimed_by, b->claimed_by));
}

static void check_snapshot(const struct snapshot *a, const struct snapshot *b) {
    SAME_INT(a, b, as_of_ms);
    SAME_INT(a, b, source_count);
    SAME_INT(a, b, resource_count);
    for (size_t i = 0; i < a->source_count; i++) {
        SAME_TEXT(a, b, sources[i].provider);
        SAME_TEXT(a, b, sources[i].region);
        SAME_TEXT(a, b, sources[i].message);
        SAME_INT(a, b, sources[i].kind);
        SAME_INT(a, b, sources[i].state);
        SAME_INT(a, b, sources[i].as_of_ms);
    }
    for (size_t i = 0; i < a->resource_count; i++)
        check_resource(&a->resources[i], &b->resources[i]);
    SAME_INT(a, b, donor_count);
    for (size_t i = 0; i < a->donor_count; i++) {
        const struct cloud_resource *x = &a->donors[i].resource, *y = &b->donors[i].resource;
        SAME_TEXT(a, b, donors[i].provider);
        SAME_INT(x, y, kind);
        SAME_TEXT(x, y, region);
        SAME_TEXT(x, y, id);
        SAME_INT(x, y, tag_count);
        for (size_t k = 0; k < x->tag_count; k++)
            cr_assert_str_eq(cloud_resource_tag(y, x->tags[k].key), x->tags[k].value);
        check_history(&a->donors[i].history, &b->donors[i].history);
    }
    SAME_INT(a, b, offer_count);
    for (size_t i = 0; i < a->offer_count; i++) {
        SAME_TEXT(a, b, offers[i].provider);
        check_offer(&a->offers[i].offer, &b->offers[i].offer);
    }
    SAME_INT(a, b, limit_count);
    for (size_t i = 0; i < a->limit_count; i++) {
        SAME_TEXT(a, b, limits[i].provider);
        SAME_TEXT(a, b, limits[i].limit.region);
        SAME_TEXT(a, b, limits[i].limit.id);
        SAME_TEXT(a, b, limits[i].limit.name);
        SAME_TEXT(a, b, limits[i].limit.types);
        SAME_TEXT(a, b, limits[i].limit.unit);
        cr_assert(a->limits[i].limit.value == b->limits[i].limit.value);
        cr_assert(a->limits[i].limit.used == b->limits[i].limit.used);
    }
    SAME_INT(a, b, commitment_count);
    for (size_t i = 0; i < a->commitment_count; i++) {
        SAME_TEXT(a, b, commitments[i].provider);
        SAME_TEXT(a, b, commitments[i].commitment.region);
        SAME_TEXT(a, b, commitments[i].commitment.id);
        SAME_TEXT(a, b, commitments[i].commitment.types);
        SAME_INT(a, b, commitments[i].commitment.is_vcpu);
        SAME_INT(a, b, commitments[i].commitment.amount);
        SAME_INT(a, b, commitments[i].commitment.price_hourly);
        SAME_INT(a, b, commitments[i].commitment.ends_at_ms);
        SAME_INT(a, b, commitments[i].used_milli);
    }
    SAME_INT(a, b, outage_count);
    for (size_t i = 0; i < a->outage_count; i++) {
        SAME_TEXT(a, b, outages[i].provider);
        SAME_TEXT(a, b, outages[i].region);
        SAME_TEXT(a, b, outages[i].type);
        SAME_INT(a, b, outages[i].is_spot);
        SAME_INT(a, b, outages[i].until_ms);
    }
}

static void print(const struct snapshot *snapshot, struct buf *out) {
    struct json_writer w = {.out = out};
    snapshot_print_json(snapshot, &w);
}

static enum err_class read(const char *text, struct arena *arena, struct snapshot *ret, struct error *err) {
    struct json *json;
    if (json_parse(bytes_of(text), &json, err) != ERR_NONE)
        return err->class;
    enum err_class class = snapshot_read_json(json, arena, ret, err);
    json_free(json);
    return class;
}

/* ---- there and back ---- */

Test(snapshot_json, what_is_read_back_is_the_same_and_prints_the_same_bytes) {
    for (random_state = 1; random_state < 400; random_state++) {
        struct arena arena = {0};
        struct buf first = {0}, second = {0};
        struct snapshot back;
        struct error err;
        uint64_t seed = random_state;
        struct snapshot snapshot = any_snapshot(&arena);
        print(&snapshot, &first);
        cr_assert_eq(read(buf_text(&first), &arena, &back, &err), ERR_NONE, "seed %llu: %s", (unsigned long long)seed,
                     err.message);
        print(&back, &second);
        cr_assert_str_eq(buf_text(&first), buf_text(&second));
        check_snapshot(&snapshot, &back);
        buf_release(&first);
        buf_release(&second);
        arena_release(&arena);
        random_state = seed;
    }
}

Test(snapshot_json, a_float_is_printed_in_the_fewest_digits_that_bring_it_back) {
    static const float values[] = {0.1f, 26.5f, 16777216.0f, 1e-45f, 3.40282347e38f, 1.17549435e-38f, 100, 0};
    float demand[ARRAY_LEN(values)];
    memcpy(demand, values, sizeof(values));
    struct snapshot_source source = {.provider = "p/a", .region = "r", .kind = CLOUD_INSTANCE, .message = ""};
    struct snapshot_resource resource = {
        .provider = "p/a",
        .resource = {.region = "r"},
        .history = {.start_ms = STEP_MS, .step_ms = STEP_MS, .count = ARRAY_LEN(values), .demand = demand}};
    struct snapshot snapshot = {.sources = &source, .source_count = 1, .resources = &resource, .resource_count = 1};
    struct buf out = {0};
    print(&snapshot, &out);
    cr_assert(strstr(buf_text(&out), "\"demand\":[0.1,26.5,16777216,1e-45,3.4028235e+38,1.1754944e-38,100,0]"), "%s",
              buf_text(&out));
    buf_release(&out);
}

/* ---- faults ---- */

#define SOURCES                                                                                                        \
    "\"sources\":[{\"provider\":\"p/"                                                                                  \
    "a\",\"region\":\"r\",\"kind\":\"InstanceGroup\",\"state\":\"Fresh\",\"asOf\":null,\"message\":\"\"}]"
#define RESOURCE_HEAD                                                                                                  \
    "\"provider\":\"p/a\",\"region\":\"r\",\"zone\":\"\",\"kind\":\"InstanceGroup\",\"id\":\"i\",\"name\":\"\","       \
    "\"type\":\"t\",\"state\":\"running\",\"count\":1,\"countMin\":0,\"countMax\":9,\"serving\":1,\"vcpuMilli\":1,"    \
    "\"memoryMiB\":1,\"createdAt\":null,\"asOf\":null,\"priceHourly\":null,\"isSpot\":false,\"drifted\":0,"            \
    "\"capacityPerMachine\":1,\"claimedBy\":null"
#define HISTORY_HEAD "\"start\":\"2026-01-01T00:00:00Z\",\"basis\":\"Recorded\""
#define HISTORY "\"history\":{" HISTORY_HEAD ",\"stepMs\":300000,\"demand\":[1,null],\"saturated\":[]}"
#define ONE(rest) "{\"asOf\":null," SOURCES ",\"resources\":[{" RESOURCE_HEAD "," rest "}]}"
#define OFFER(price)                                                                                                   \
    "\"offer\":{\"region\":\"r\",\"type\":\"t\",\"vcpuMilli\":1,\"memoryMiB\":1,\"gpu\":0,\"architecture\":\"\","      \
    "\"priceHourly\":" price ",\"asOf\":null,\"source\":\"\"}"

#define OUT "{\"provider\":\"p\",\"region\":\"r\",\"instanceType\":\"t\",\"spot\":false,\"until\":null}"
#define COMMITMENT(amount)                                                                                             \
    "{\"provider\":\"p\",\"region\":\"r\",\"id\":\"c\",\"types\":\"*\",\"machines\":" amount ",\"priceHourly\":null,"  \
    "\"endsAt\":null,\"usedMilli\":0}"
#define QUOTA(value)                                                                                                   \
    "{\"provider\":\"p/"                                                                                               \
    "a\",\"region\":\"r\",\"id\":\"i\",\"name\":\"\",\"types\":\"\",\"unit\":\"vCPU\",\"value\":" value                \
    ",\"used\":null}"
#define SOLD                                                                                                           \
    "{\"provider\":\"p/a\",\"offer\":{\"region\":\"r\",\"type\":\"t\",\"vcpuMilli\":1,\"memoryMiB\":1,\"gpu\":0,"      \
    "\"architecture\":\"\",\"priceHourly\":null,\"priceSpotHourly\":null,\"asOf\":null,\"source\":\"\"}}"

#define DONORS(kind, tags, step)                                                                                       \
    "{\"asOf\":null,\"sources\":[],\"resources\":[],\"donors\":[{\"provider\":\"p/a\",\"region\":\"r\",\"kind\":" kind \
    ",\"id\":\"i\",\"tags\":" tags ",\"history\":{" HISTORY_HEAD ",\"stepMs\":" step                                   \
    ",\"demand\":[1],\"saturated\":[]}}]}"

#define NODE_HEAD                                                                                                      \
    "\"podsMax\":1,\"fixedPods\":0,\"fixedVcpuMilli\":0,\"fixedMemoryMiB\":0,\"taints\":\"\",\"pending\":0,"
#define LOAD "{\"workload\":\"w\",\"count\":1,\"vcpuMilli\":1,\"memoryMiB\":1,\"keys\":\"\",\"isApart\":false}"

struct fault {
    const char *text, *message;
};

static const struct fault faults[] = {
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"donors\":{}}", "donors: an array is expected"},
    {DONORS("\"Machine\"", "{}", "300000"), "donors[0].kind: the name is not known"},
    {DONORS("\"InstanceGroup\"", "[]", "300000"), "donors[0].tags: an object"},
    {DONORS("\"InstanceGroup\"", "{}", "0"), "donors[0].history.stepMs: the number is out of range"},
    {"[]", "snapshot: an object is expected"},
    {"{\"asOf\":null,\"resources\":[]}", "sources: an array is expected"},
    {"{\"asOf\":1,\"sources\":[],\"resources\":[]}", "asOf: a time"},
    {"{\"asOf\":\"1969-12-31T23:59:59Z\",\"sources\":[],\"resources\":[]}", "asOf: a time"},
    {"{\"asOf\":null,\"sources\":[{\"provider\":\"p/"
     "a\",\"region\":\"r\",\"kind\":\"InstanceGroup\",\"state\":\"fresh\"}],\"resources\":[]}",
     "sources[0].state: the name is not known"},
    {"{\"asOf\":null," SOURCES ",\"resources\":[{}]}", "resources[0].provider: a string is expected"},
    {ONE("\"source\":1,\"tags\":{},\"offer\":null," HISTORY), "resources[0].source: there is no such source"},
    {ONE("\"source\":-1,\"tags\":{},\"offer\":null," HISTORY), "resources[0].source: the number is out of range"},
    {ONE("\"source\":0.5,\"tags\":{},\"offer\":null," HISTORY), "resources[0].source: a whole number is expected"},
    {ONE("\"source\":0,\"tags\":[],\"offer\":null," HISTORY), "resources[0].tags: an object"},
    {ONE("\"source\":0,\"tags\":{\"a\":1},\"offer\":null," HISTORY), "resources[0].tags: an object"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"node\":1," HISTORY), "resources[0].node: an object is expected"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"node\":{\"podsMax\":-1}," HISTORY),
     "resources[0].node.podsMax: the number is out of range"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"node\":{" NODE_HEAD "\"loads\":[" LOAD "," LOAD "]}," HISTORY),
     "resources[0].node.loads: they are sorted"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":7," HISTORY), "resources[0].offer: an object is expected"},
    {ONE("\"source\":0,\"tags\":{}," OFFER("0.1") "," HISTORY), "resources[0].offer.priceHourly: a price"},
    {ONE("\"source\":0,\"tags\":{}," OFFER("\"-0.1\"") "," HISTORY), "resources[0].offer.priceHourly: a price"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null"), "resources[0].history: an object is expected"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":0,\"demand\":[],\"saturated\":[]}"),
     "resources[0].history.stepMs: the number is out of range"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":70001,\"demand\":[],\"saturated\":[]}"),
     "resources[0].history.start: it is not a multiple"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[1,-1],\"saturated\":[]}"),
     "resources[0].history.demand[1]: a demand"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[1e39],\"saturated\":[]}"),
     "resources[0].history.demand[0]: a demand"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[\"1\"],\"saturated\":[]}"),
     "resources[0].history.demand[0]: a demand"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[],\"saturated\":[],\"raises\":[{\"time\":null,\"demand\":-1}]}"),
     "resources[0].history.raises: each has a demand"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[],\"saturated\":[],\"raises\":[{\"time\":null,\"demand\":1},"
         "{\"time\":\"2026-01-31T09:00:00Z\",\"demand\":2}]}"),
     "resources[0].history.raises: they are ascending"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[1],\"saturated\":[1]}"),
     "resources[0].history.saturated: the number of a sample"},
    {ONE("\"source\":0,\"tags\":{},\"offer\":null,\"history\":{" HISTORY_HEAD
         ",\"stepMs\":300000,\"demand\":[1],\"saturated\":[0,0]}"),
     "resources[0].history.saturated: the array is too long"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"offers\":[{\"provider\":\"p/a\",\"offer\":7}]}",
     "offers[0].offer: an object is expected"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"offers\":{}}", "offers: an array is expected"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"offers\":[" SOLD "," SOLD "]}", "offers[1]: offers are sorted"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"limits\":[" QUOTA("1") "," QUOTA("1") "]}",
     "limits[1]: limits are sorted"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"commitments\":[" COMMITMENT("1") "," COMMITMENT("2") "]}",
     "commitments[1]: commitments are sorted"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"commitments\":[" COMMITMENT("-1") "]}",
     "commitments[0].machines: "},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"outages\":[" OUT "," OUT "]}", "outages[1]: outages are sorted"},
    {"{\"asOf\":null,\"sources\":[],\"resources\":[],\"limits\":[" QUOTA("-1") "]}",
     "limits[0].value: a number of zero or more is expected"},
};

Test(snapshot_json, a_fault_is_told_with_its_path) {
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct arena arena = {0};
        struct snapshot snapshot = {.as_of_ms = 77};
        struct error err = {0};
        cr_assert_eq(read(faults[i].text, &arena, &snapshot, &err), ERR_PERMANENT, "%s", faults[i].text);
        cr_assert(str_has_prefix(err.message, faults[i].message), "%zu: %s", i, err.message);
        cr_assert_eq(snapshot.as_of_ms, 77, "an output is written on success only");
        arena_release(&arena);
    }
}

Test(snapshot_json, what_a_newer_version_adds_is_passed_over) {
    struct arena arena = {0};
    struct snapshot snapshot;
    struct error err = {0};
    cr_assert_eq(read(ONE("\"source\":0,\"tags\":{},\"more\":[1]," OFFER("null") "," HISTORY), &arena, &snapshot, &err),
                 ERR_NONE, "%s", err.message);
    cr_assert_eq(snapshot.resource_count, 1);
    cr_assert_eq(snapshot.resources[0].offer.price_hourly, -1);
    cr_assert_eq(snapshot.resources[0].history.count, 2);
    cr_assert(isnan(snapshot.resources[0].history.demand[1]));
    arena_release(&arena);
}

Test(snapshot_json, a_resource_must_be_of_the_provider_of_its_source) {
    struct arena arena = {0};
    struct snapshot snapshot;
    struct error err = {0};
    const char *text =
        "{\"asOf\":null,\"sources\":[{\"provider\":\"p/"
        "b\",\"region\":\"r\",\"kind\":\"InstanceGroup\",\"state\":\"Fresh\",\"asOf\":null,"
        "\"message\":\"\"}],\"resources\":[{" RESOURCE_HEAD ",\"source\":0,\"tags\":{},\"offer\":null," HISTORY "}]}";
    cr_assert_eq(read(text, &arena, &snapshot, &err), ERR_PERMANENT);
    cr_assert_str_eq(err.message, "resources[0].source: it is of another provider, region or kind");
    arena_release(&arena);
}
