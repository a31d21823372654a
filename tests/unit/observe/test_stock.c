/*
 * What one listing holds: found by id and by tag as a plain search would, whatever the adapter lets go, in little
 * memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "observe/stock.h"

#define KINDS_MIXED 7

static uint64_t state;

static size_t below(size_t limit) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(state >> 33) % limit;
}

/* count resources, of which every seventh is a volume; tags of few and of many values. */
static struct cloud_resource *estate(struct arena *arena, size_t count, bool sorted) {
    struct cloud_resource *resources = arena_alloc_array(arena, count, sizeof(*resources));
    for (size_t i = 0; i < count; i++) {
        size_t number = sorted ? i : (i * 7919) % count;
        struct cloud_tag *tags = arena_alloc_array(arena, 3, sizeof(*tags));
        tags[0] = (struct cloud_tag){"app", arena_printf(arena, "app-%zu", below(20))};
        tags[1] = (struct cloud_tag){"name", arena_printf(arena, "web-%06zu", number)};
        tags[2] = (struct cloud_tag){"team", below(2) ? "red" : "blue"};
        resources[i] = (struct cloud_resource){
            .kind = i % KINDS_MIXED == 3 ? CLOUD_VOLUME : CLOUD_INSTANCE,
            .region = arena_strdup(arena, "r1"),
            .zone = arena_strdup(arena, "r1a"),
            .id = arena_printf(arena, "i-%017zx", number),
            .name = arena_printf(arena, "web-%06zu", number),
            .type = arena_strdup(arena, "m5.large"),
            .parent = i % 2 ? arena_strdup(arena, "web") : NULL,
            .count = 1,
            .tags = tags,
            .tag_count = below(4),
        };
    }
    return resources;
}

static const struct cloud_resource *plain_find(const struct cloud_resource *resources, size_t count, const char *id) {
    for (size_t i = 0; i < count; i++)
        if (resources[i].kind == CLOUD_INSTANCE && str_eq(resources[i].id, id))
            return &resources[i];
    return NULL;
}

static size_t plain_count(const struct cloud_resource *resources, size_t count, const char *key, const char *value) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += resources[i].kind == CLOUD_INSTANCE && str_eq(cloud_resource_tag(&resources[i], key), value);
    return found;
}

static void check_tag(const struct stock *stock, const struct cloud_resource *resources, size_t count, const char *key,
                      const char *value) {
    const struct cloud_resource *r, *before = NULL;
    size_t found = 0;
    for (size_t i = stock_tag_first(stock, key, value); (r = stock_tag_next(stock, key, value, &i));) {
        if (!str_eq(cloud_resource_tag(r, key), value))
            continue;
        cr_assert(!before || strcmp(before->id, r->id) < 0, "in order of id");
        before = r;
        found++;
    }
    cr_assert_eq(found, plain_count(resources, count, key, value), "%s=%s", key, value);
}

Test(observe_stock, finds_what_a_plain_search_finds) {
    static const size_t counts[] = {0, 1, 2, 3, 4, 50, 1000};
    for (size_t n = 0; n < 2 * ARRAY_LEN(counts); n++) {
        size_t count = counts[n / 2];
        struct arena arena = {0};
        struct stock stock = {0};
        char id[40];
        state = n + 1;
        struct cloud_resource *resources = estate(&arena, count, n % 2);
        struct arena listing = {0};
        stock_fill(&stock, "r1", CLOUD_INSTANCE, arena_memdup(&listing, resources, count * sizeof(*resources)), count,
                   99, &listing);
        for (size_t i = 0; i < count + 2; i++) {
            (void)snprintf(id, sizeof(id), "i-%017zx", i);
            const struct cloud_resource *wanted = plain_find(resources, count, id), *found = stock_find(&stock, id);
            cr_assert_eq(found != NULL, wanted != NULL, "%s of %zu", id, count);
            if (!found)
                continue;
            cr_assert_str_eq(found->name, wanted->name);
            cr_assert_str_eq(found->type, "m5.large");
            cr_assert_eq(found->as_of_ms, 99);
            cr_assert(str_eq(found->parent, wanted->parent));
            cr_assert_eq(found->tag_count, wanted->tag_count);
        }
        for (size_t i = 0; i < 22; i++) {
            (void)snprintf(id, sizeof(id), "app-%zu", i);
            check_tag(&stock, resources, count, "app", id);
        }
        check_tag(&stock, resources, count, "team", "red");
        check_tag(&stock, resources, count, "name", "web-000002");
        check_tag(&stock, resources, count, "red", "team");
        stock_release(&stock);
        arena_release(&arena);
    }
}

Test(observe_stock, copies_what_counts_out_of_a_wide_arena_and_lets_it_go) {
    struct arena arena = {0};
    struct stock stock = {0};
    state = 1;
    struct cloud_resource *resources = estate(&arena, 100, true);
    uint64_t hash = stock_hash(CLOUD_INSTANCE, resources, 100);
    stock_fill(&stock, "r1", CLOUD_INSTANCE, resources, 100, 99, &arena);
    cr_assert_null(arena.head);
    cr_assert_eq(stock_hash(CLOUD_INSTANCE, stock.resources, stock.count), hash);
    stock_release(&stock);
}

Test(observe_stock, keeps_an_arena_that_holds_little_else) {
    static const char *const ids[] = {"c", "a", "b"};
    struct arena arena = {0};
    struct stock stock = {0};
    struct cloud_resource *resources = arena_alloc_array(&arena, 3, sizeof(*resources));
    for (size_t i = 0; i < 3; i++)
        resources[i] = (struct cloud_resource){.kind = CLOUD_NODE, .id = ids[i]};
    stock_fill(&stock, "r1", CLOUD_NODE, resources, 3, 99, &arena);
    cr_assert_null(arena.head, "it is the stock's now");
    cr_assert_eq(stock.resources, resources);
    cr_assert_str_eq(stock.resources[0].id, "a", "sorted, as the adapter should have");
    cr_assert_str_eq(stock.resources[2].type, "");
    cr_assert_str_eq(stock_find(&stock, "c")->region, "r1");
    stock_release(&stock);
}

Test(observe_stock, of_another_kind_alone_is_empty) {
    struct arena arena = {0};
    struct stock stock = {0};
    struct cloud_resource *resources = arena_alloc_array(&arena, 1, sizeof(*resources));
    resources[0] = (struct cloud_resource){.kind = CLOUD_NODE, .id = "a"};
    stock_fill(&stock, "r1", CLOUD_INSTANCE, resources, 1, 99, &arena);
    cr_assert_null(stock_find(&stock, "a"));
    cr_assert_eq(stock_tag_first(&stock, "a", "b"), 0);
    cr_assert_null(arena.head);
    stock_release(&stock);
}

Test(observe_stock, every_fact_but_the_time_is_part_of_the_hash) {
    struct cloud_tag tag = {"a", "b"}, other = {"a", "c"};
    const struct cloud_resource base = {
        .kind = CLOUD_INSTANCE, .id = "i", .name = "n", .zone = "z", .type = "t", .tags = &tag, .tag_count = 1};
    const struct cloud_node node = {.taints = ""};
    struct cloud_resource changed[21];
    size_t count = 0;
#define CHANGED(field, value) (changed[count] = base, changed[count].field = (value), count++)
    CHANGED(state, CLOUD_RUNNING), CHANGED(id, "j"), CHANGED(name, "m"), CHANGED(zone, "y"), CHANGED(type, "u");
    CHANGED(parent, "p"), CHANGED(parent, ""), CHANGED(count, 1), CHANGED(count_min, 1), CHANGED(count_max, 1);
    CHANGED(serving, 1), CHANGED(vcpu_milli, 1), CHANGED(memory_mib, 1), CHANGED(created_at_ms, 1);
    CHANGED(price_hourly, 1), CHANGED(is_spot, true), CHANGED(count_manager, "m"), CHANGED(size_manager, "m");
    CHANGED(drifted, 1), CHANGED(tags, &other), CHANGED(node, &node);
    cr_assert_eq(count, ARRAY_LEN(changed));
    for (size_t i = 0; i < count; i++)
        cr_expect_neq(stock_hash(CLOUD_INSTANCE, &changed[i], 1), stock_hash(CLOUD_INSTANCE, &base, 1), "%zu", i);
    changed[0] = base;
    changed[0].as_of_ms = 5;
    cr_expect_eq(stock_hash(CLOUD_INSTANCE, changed, 1), stock_hash(CLOUD_INSTANCE, &base, 1));
}

Test(observe_stock, every_fact_of_what_is_on_a_node_is_part_of_the_hash_and_of_a_copy) {
    const struct cloud_load load = {.workload = "w", .keys = ""}, more[] = {load, {.workload = "x", .keys = "k"}};
    const struct cloud_node base = {.taints = "", .loads = &load, .load_count = 1};
    struct cloud_load loads[6] = {load, load, load, load, load, load};
    struct cloud_node changed[13];
    struct arena arena = {0};
    size_t count = 0;
    loads[0].count = loads[1].vcpu_milli = loads[2].memory_mib = loads[3].is_apart = true;
    loads[4].stays = "s";
    loads[5].keys = "k";
    for (; count < ARRAY_LEN(loads); count++) {
        changed[count] = base;
        changed[count].loads = &loads[count];
    }
    CHANGED(pods_max, 1), CHANGED(fixed_pods, 1), CHANGED(fixed_vcpu_milli, 1), CHANGED(fixed_memory_mib, 1);
    CHANGED(keep, "k"), CHANGED(taints, "t"), CHANGED(pending, 1);
    cr_assert_eq(count, ARRAY_LEN(changed));
    struct cloud_resource a = {.kind = CLOUD_NODE, .id = "n", .node = &base}, b = a;
    for (size_t i = 0; i < count; i++) {
        b.node = &changed[i];
        uint64_t hash = stock_hash(CLOUD_NODE, &b, 1);
        cr_expect_neq(hash, stock_hash(CLOUD_NODE, &a, 1), "%zu", i);
        b.node = stock_node_copy(&arena, &changed[i]);
        cr_expect_eq(hash, stock_hash(CLOUD_NODE, &b, 1), "%zu", i);
    }
    changed[0] = base;
    changed[0].loads = more;
    changed[0].load_count = 2;
    b.node = stock_node_copy(&arena, changed);
    cr_expect_str_eq(b.node->loads[1].workload, "x");
    cr_expect(b.node->loads[1].workload != more[1].workload && b.node->loads[0].keys != more[0].keys);
    cr_expect_null(stock_node_copy(&arena, NULL));
    arena_release(&arena);
}

/* What a machine with five tags costs, of which one is its own name: the bound of the process rests on it. */
Test(observe_stock, holds_a_machine_of_five_tags_in_less_than_400_bytes) {
    enum { COUNT = 20000 };
    struct arena arena = {0};
    struct stock stock = {0};
    struct cloud_resource *resources = arena_alloc_array(&arena, COUNT, sizeof(*resources));
    for (size_t i = 0; i < COUNT; i++) {
        struct cloud_tag *tags = arena_alloc_array(&arena, 5, sizeof(*tags));
        tags[0] = (struct cloud_tag){"Name", arena_printf(&arena, "web-%06zu", i)};
        tags[1] = (struct cloud_tag){"app", arena_printf(&arena, "app-%zu", i % 200)};
        tags[2] = (struct cloud_tag){"env", i % 3 ? "production" : "staging"};
        tags[3] = (struct cloud_tag){"owner", arena_printf(&arena, "team-%zu@example.com", i % 50)};
        tags[4] = (struct cloud_tag){"team", arena_printf(&arena, "team-%zu", i % 50)};
        resources[i] = (struct cloud_resource){.kind = CLOUD_INSTANCE,
                                               .id = arena_printf(&arena, "i-%017zx", i),
                                               .name = tags[0].value,
                                               .zone = "us-east-1a",
                                               .type = "m5.large",
                                               .parent = arena_printf(&arena, "app-%zu-asg", i % 200),
                                               .tags = tags,
                                               .tag_count = 5};
    }
    size_t before = arena.used / COUNT;
    stock_fill(&stock, "us-east-1", CLOUD_INSTANCE, resources, COUNT, 1, &arena);
    (void)fprintf(stderr, "%zu bytes a resource, of the adapter's %zu; %zu of them the struct\n",
                  stock.arena.used / COUNT, before, sizeof(struct cloud_resource));
    cr_assert_lt(stock.arena.used / COUNT, 400);
    stock_release(&stock);
    arena_release(&arena);
}
