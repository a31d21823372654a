/* See sim_world.h. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sim_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "store/local_internal.h"

#define MONDAY_MS INT64_C(1790553600000) /* 2026-09-28T00:00:00Z */

static int64_t world_wall_ms(void *ctx) {
    return runtime_wall_ms(ctx);
}

static int64_t outer_wall_ms(struct sim_world *world) {
    return runtime_wall_ms(&world->cloud.runtime.base);
}

static void boot(struct sim_world *world, int64_t lead_wait_ms) {
    struct error err = {0};
    world->boots++;
    world->booted_ns = world->cloud.runtime.now_ns;
    runtime_virtual_init(&world->runtime, world->options.seed * 1000 + world->boots,
                         outer_wall_ms(world) + world->wall_skew_ms);
    log_set_clock(world_wall_ms, &world->runtime.base);
    world->metrics = metrics_new();
    struct history_options history = {.step_ms = 300000, .keep_ms = INT64_C(35) * 86400000, .series_max = 100};
    cr_assert_eq(history_open(&history, &world->history, &err), ERR_NONE, "%s", err.message);
    world->loop = loop_new(&(struct loop_options){
        .env = {.runtime = &world->runtime.base, .catalogue = world->catalogue},
        .find_adapter = sim_cloud_find_adapter,
        .history = world->history,
        .metrics = world->metrics,
        .list_period_ms = 60000,
        .list_count_max = 100000,
        .usage_step_ms = 300000,
        .resync_period_ms = 600000,
        .status_interval_ms = 30000,
        .action_timeout_ms = SIM_ACTION_TIMEOUT_MS,
        .concurrency = 16,
        .recall_bytes_max = (size_t)64 << 20,
        .finished_max = 10,
    });
    struct store_callbacks callbacks = loop_store_callbacks(world->loop);
    struct store_local_options options = {
        .directory = world->options.directory, .database = world->options.database, .default_namespace = "default"};
    cr_assert_eq(store_local_new(&world->runtime.base, &options, &callbacks, &world->store, &err), ERR_NONE, "%s",
                 err.message);
    loop_start(world->loop, world->store);
    store_start(world->store);
    loop_lead(world->loop, lead_wait_ms);
}

void sim_world_open(struct sim_world *world, const struct sim_world_options *options) {
    struct error err = {0};
    *world = (struct sim_world){.options = *options};
    log_configure(getenv("SIM_LOG") ? LOG_INFO : LOG_ERROR, LOG_FORMAT_TEXT);
    cr_assert_eq(catalogue_open(NULL, &world->catalogue, &err), ERR_NONE, "%s", err.message);
    sim_cloud_start(&world->cloud, world->catalogue, options->seed, options->wall_ms ? options->wall_ms : MONDAY_MS);
    boot(world, 0);
}

void sim_world_start(struct sim_world *world, const char *directory, uint64_t seed, int64_t wall_ms) {
    sim_world_open(world, &(struct sim_world_options){.directory = directory, .seed = seed, .wall_ms = wall_ms});
}

/* ---- time ---- */

static uint64_t next_ns(const struct runtime_virtual *runtime) {
    if (runtime->queue_count > 0)
        return runtime->now_ns;
    return runtime->base.heap_count > 0 ? runtime->base.heap[0]->due_ns : UINT64_MAX;
}

static void set_clock(struct sim_world *world, uint64_t now_ns) {
    world->cloud.runtime.now_ns = now_ns;
    world->runtime.now_ns = now_ns - world->booted_ns;
}

bool sim_world_step(struct sim_world *world, uint64_t until_ns) {
    uint64_t own_ns = next_ns(&world->runtime), cloud_ns = next_ns(&world->cloud.runtime);
    if (own_ns != UINT64_MAX)
        own_ns += world->booted_ns;
    uint64_t due_ns = own_ns < cloud_ns ? own_ns : cloud_ns;
    if (due_ns > until_ns)
        return false;
    if (due_ns > world->cloud.runtime.now_ns)
        set_clock(world, due_ns);
    if (own_ns < cloud_ns)
        return runtime_virtual_step(&world->runtime, world->runtime.now_ns);
    return sim_cloud_step(&world->cloud, world->cloud.runtime.now_ns);
}

static void run_until(struct sim_world *world, uint64_t until_ns) {
    while (sim_world_step(world, until_ns))
        continue;
    if (until_ns > world->cloud.runtime.now_ns)
        set_clock(world, until_ns);
}

void sim_world_run(struct sim_world *world, uint64_t duration_ns) {
    run_until(world, world->cloud.runtime.now_ns + duration_ns);
}

void sim_world_step_wall(struct sim_world *world, int64_t by_ms) {
    world->wall_skew_ms += by_ms;
    world->runtime.wall_origin_ms += by_ms;
}

/* ---- the end of a process ---- */

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

static void wind_down(struct sim_world *world, bool with_clouds) {
    bool loop_stopped = false, store_stopped = false;
    uint64_t until_ns = world->cloud.runtime.now_ns + SIM_HOUR;
    loop_stop(world->loop, set_flag, &loop_stopped);
    while (!loop_stopped &&
           (with_clouds ? sim_world_step(world, until_ns) : runtime_virtual_step(&world->runtime, UINT64_MAX)))
        continue;
    cr_assert(loop_stopped, "the loop does not stop");
    world->store->ops->stop(world->store, set_flag, &store_stopped);
    while (!store_stopped && runtime_virtual_step(&world->runtime, UINT64_MAX))
        continue;
    cr_assert(store_stopped, "the store does not stop");
    loop_free(world->loop);
    world->store->ops->free(world->store);
    history_close(world->history);
    metrics_free(world->metrics);
    log_set_clock(NULL, NULL);
    runtime_virtual_release(&world->runtime);
}

void sim_world_stop(struct sim_world *world) {
    wind_down(world, true);
    sim_cloud_stop(&world->cloud);
    catalogue_free(world->catalogue);
}

/* The dead process cannot be heard any more: its connections are cut and its database is swapped for an empty one in
 * memory. Then it may end in order, so that its memory is freed and a leak is still a leak. */
void sim_world_kill(struct sim_world *world, bool written) {
    struct store_local *local = store_local_of(world->store);
    struct error err = {0};
    sim_cloud_cut(&world->cloud);
    if (written && timer_is_active(&local->turn)) {
        timer_stop(&world->runtime.base, &local->turn);
        local->turn.fire(&local->turn);
    }
    local_db_close(local->db);
    cr_assert_eq(local_db_open(NULL, &local->db, &err), ERR_NONE, "%s", err.message);
    wind_down(world, false);
}

void sim_world_boot(struct sim_world *world, uint64_t down_ns) {
    uint64_t until_ns = world->cloud.runtime.now_ns + down_ns;
    while (sim_cloud_step(&world->cloud, until_ns))
        continue;
    world->cloud.runtime.now_ns = until_ns;
    boot(world, SIM_ACTION_TIMEOUT_MS);
}

/* ---- objects ---- */

static struct json *object_of(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name) {
    struct buf text = {0};
    struct json *root = NULL;
    struct error err;
    if (store_local_print(world->store, kind, namespace, name, &text))
        cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_NONE, "%s", err.message);
    buf_release(&text);
    return root;
}

const char *sim_world_field(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                            const char *path) {
    static struct buf text;
    struct json *root = object_of(world, kind, namespace, name);
    const struct json *node = json_at(root, path);
    buf_clear(&text);
    if (json_type(node) == JSON_STRING)
        buf_puts(&text, json_string(node, ""));
    else if (node)
        json_print(node, &text);
    json_free(root);
    return buf_text(&text);
}

const char *sim_world_condition(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                                const char *type) {
    static char status[16];
    struct json *root = object_of(world, kind, namespace, name);
    const struct json *conditions = json_at(root, "status.conditions");
    status[0] = '\0';
    for (size_t i = 0; i < json_array_count(conditions); i++) {
        const struct json *condition = json_array_at(conditions, i);
        if (str_eq(json_string(json_get(condition, "type"), ""), type))
            (void)str_copy(status, sizeof(status), json_string(json_get(condition, "status"), ""));
    }
    json_free(root);
    return status;
}

static struct json *parse(const char *text) {
    struct json *root;
    struct error err;
    cr_assert_eq(json_parse(bytes_of(text), &root, &err), ERR_NONE, "%s", err.message);
    return root;
}

void sim_world_apply(struct sim_world *world, const char *object_json) {
    struct json *object = parse(object_json);
    struct error err;
    cr_assert_eq(store_local_apply(world->store, object, &err), ERR_NONE, "%s", err.message);
    json_free(object);
}

void sim_world_patch(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name,
                     const char *patch_json) {
    struct json *patch = parse(patch_json);
    struct error err;
    cr_assert_eq(store_local_patch(world->store, kind, namespace, name, patch, &err), ERR_NONE, "%s", err.message);
    json_free(patch);
}

void sim_world_delete(struct sim_world *world, enum object_kind kind, const char *namespace, const char *name) {
    struct error err;
    cr_assert_eq(store_local_delete(world->store, kind, namespace, name, &err), ERR_NONE, "%s", err.message);
}

struct json *sim_world_list(struct sim_world *world, enum object_kind kind) {
    struct buf text = {0};
    struct json *root;
    struct error err;
    store_local_print_list(world->store, kind, NULL, &text);
    cr_assert_eq(json_parse(buf_bytes(&text), &root, &err), ERR_NONE, "%s", err.message);
    buf_release(&text);
    return root;
}

double sim_world_metric(struct sim_world *world, const char *family, const char *labels) {
    struct buf text = {0};
    double sum = 0;
    metrics_print(world->metrics, &text);
    for (char *line = buf_text(&text)[0] ? text.data : NULL, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        size_t size = strlen(family);
        if (strncmp(line, family, size) != 0 || (line[size] != '{' && line[size] != ' '))
            continue;
        if (!labels || strstr(line, labels))
            sum += strtod(strrchr(line, ' ') + 1, NULL);
    }
    buf_release(&text);
    return sum;
}
