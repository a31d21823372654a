/* See sim_world.h. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sim_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

static int64_t world_wall_ms(void *ctx) { return runtime_wall_ms(ctx); }

void sim_world_start(struct sim_world *world, const char *directory, uint64_t seed, int64_t wall_ms) {
    struct error err = {0};
    *world = (struct sim_world){0};
    runtime_virtual_init(&world->runtime, seed, wall_ms);
    log_configure(getenv("SIM_LOG") ? LOG_INFO : LOG_ERROR, LOG_FORMAT_TEXT);
    log_set_clock(world_wall_ms, &world->runtime.base);
    world->metrics = metrics_new();
    cr_assert_eq(catalogue_open(NULL, &world->catalogue, &err), ERR_NONE, "%s", err.message);
    cr_assert_eq(history_open(&(struct history_options){.step_ms = 300000,
                                                        .keep_ms = INT64_C(35) * 86400000,
                                                        .series_max = 100},
                              &world->history, &err),
                 ERR_NONE, "%s", err.message);
    world->loop = loop_new(&(struct loop_options){.env = {.runtime = &world->runtime.base, .catalogue = world->catalogue},
                                                  .history = world->history,
                                                  .metrics = world->metrics,
                                                  .list_period_ms = 60000,
                                                  .usage_step_ms = 300000,
                                                  .resync_period_ms = 600000,
                                                  .status_interval_ms = 30000,
                                                  .action_timeout_ms = 8000,
                                                  .concurrency = 16,
                                                  .finished_max = 10});
    struct store_callbacks callbacks = loop_store_callbacks(world->loop);
    struct store_local_options options = {.directory = directory, .default_namespace = "default"};
    cr_assert_eq(store_local_new(&world->runtime.base, &options, &callbacks, &world->store, &err), ERR_NONE, "%s",
                 err.message);
    loop_start(world->loop, world->store);
    store_start(world->store);
    loop_lead(world->loop, 0);
}

static void set_flag(void *ctx) { *(bool *)ctx = true; }

static void run_until_set(struct sim_world *world, const bool *flag) {
    uint64_t until_ns = world->runtime.now_ns + SIM_HOUR;
    while (!*flag && runtime_virtual_step(&world->runtime, until_ns))
        ;
    cr_assert(*flag, "what was asked to end has not ended within an hour");
}

void sim_world_stop(struct sim_world *world) {
    bool loop_stopped = false, store_stopped = false;
    loop_stop(world->loop, set_flag, &loop_stopped);
    run_until_set(world, &loop_stopped);
    world->store->ops->stop(world->store, set_flag, &store_stopped);
    run_until_set(world, &store_stopped);
    loop_free(world->loop);
    world->store->ops->free(world->store);
    history_close(world->history);
    catalogue_free(world->catalogue);
    metrics_free(world->metrics);
    log_set_clock(NULL, NULL);
    runtime_virtual_release(&world->runtime);
}

void sim_world_run(struct sim_world *world, uint64_t duration_ns) {
    runtime_virtual_run_until(&world->runtime, world->runtime.now_ns + duration_ns);
}

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
