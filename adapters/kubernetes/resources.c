/*
 * The arithmetic of pods' requests: reading what the containers ask for, sharing a new total out among them, and the
 * patch that says so. Pure. The invariant: the shares sum up to the total exactly, and the QoS class stays, since the
 * API server refuses a resize that changes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapters/kubernetes/apply_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define MIB (INT64_C(1) << 20)
#define CONTAINERS_MAX 200
#define AMOUNT_MAX (INT64_C(1) << 60)

static const char *const measure_names[KUBERNETES_MEASURE_COUNT] = {"cpu", "memory"};

__extension__ typedef __int128 wide; /* Of products of two amounts. */

static bool counts(const struct kubernetes_container *container) {
    return container->role != KUBERNETES_INIT_CONTAINER;
}

static bool read_amount(const struct json *list, enum kubernetes_measure measure, int64_t *ret) {
    const struct json *node = json_get(list, measure_names[measure]);
    if (node == NULL) {
        *ret = -1;
        return true;
    }
    const char *text = json_string(node, "");
    bool ok = measure == KUBERNETES_CPU ? kubernetes_quantity_milli(text, ret) : kubernetes_quantity_bytes(text, ret);
    return ok && *ret >= 0 && *ret <= AMOUNT_MAX;
}

static bool restarts(const struct json *container, enum kubernetes_measure measure) {
    const struct json *policies = json_get(container, "resizePolicy");
    for (size_t i = 0; i < json_array_count(policies); i++) {
        const struct json *one = json_array_at(policies, i);
        if (str_eq(json_string(json_get(one, "resourceName"), ""), measure_names[measure]))
            return str_eq(json_string(json_get(one, "restartPolicy"), ""), "RestartContainer");
    }
    return false;
}

static enum err_class read_container(const struct json *from, struct kubernetes_container *to, struct error *err) {
    const struct json *resources = json_get(from, "resources");
    for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
        if (!read_amount(json_get(resources, "requests"), m, &to->now[m].request) ||
            !read_amount(json_get(resources, "limits"), m, &to->now[m].limit))
            return error_set(err, ERR_PERMANENT, "container %s: its %s is no quantity that we know", to->name,
                             measure_names[m]);
        /* The API server fills requests from limits in pods, but not in templates. */
        if (to->now[m].request < 0)
            to->now[m].request = to->now[m].limit;
        to->restarts[m] = restarts(from, m);
        to->to[m] = to->now[m];
    }
    return ERR_NONE;
}

static enum err_class read_list(const struct json *list, bool is_init, struct arena *arena,
                                struct kubernetes_resources *ret, struct error *err) {
    for (size_t i = 0; i < json_array_count(list); i++) {
        const struct json *from = json_array_at(list, i);
        struct kubernetes_container *to = &ret->items[ret->count++];
        to->name = arena_strdup(arena, json_string(json_get(from, "name"), ""));
        if (is_init)
            to->role = str_eq(json_string(json_get(from, "restartPolicy"), ""), "Always") ? KUBERNETES_SIDECAR
                                                                                          : KUBERNETES_INIT_CONTAINER;
        if (read_container(from, to, err) != ERR_NONE)
            return err->class;
    }
    return ERR_NONE;
}

enum err_class kubernetes_resources_read(const struct json *pod_spec, struct arena *arena,
                                         struct kubernetes_resources *ret, struct error *err) {
    const struct json *main = json_get(pod_spec, "containers"), *init = json_get(pod_spec, "initContainers");
    size_t count = json_array_count(main) + json_array_count(init);
    if (json_array_count(main) == 0 || count > CONTAINERS_MAX)
        return error_set(err, ERR_PERMANENT, "a pod of %zu containers", count);
    if (json_object_count(json_at(pod_spec, "resources.requests")) > 0)
        return error_set(err, ERR_PERMANENT, "its requests are set for the whole pod, not for its containers");
    struct kubernetes_resources found = {.items = arena_alloc_array(arena, count, sizeof(*found.items))};
    if (read_list(main, false, arena, &found, err) != ERR_NONE || read_list(init, true, arena, &found, err) != ERR_NONE)
        return err->class;
    *ret = found;
    return ERR_NONE;
}

static int64_t wanted(const struct kubernetes_target *target, enum kubernetes_measure measure) {
    return measure == KUBERNETES_CPU ? target->cpu_milli : target->memory_mib;
}

static int64_t unit_of(enum kubernetes_measure measure) {
    return measure == KUBERNETES_CPU ? 1 : MIB;
}

/* Of those that request anything: 0 would have no share of any total. */
static int64_t sum(const struct kubernetes_resources *resources, enum kubernetes_measure measure, size_t *ret_count) {
    int64_t total = 0;
    *ret_count = 0;
    for (size_t i = 0; i < resources->count; i++) {
        const struct kubernetes_container *one = &resources->items[i];
        if (!counts(one) || one->now[measure].request <= 0)
            continue;
        if (total > INT64_MAX - one->now[measure].request)
            return INT64_MAX;
        total += one->now[measure].request;
        (*ret_count)++;
    }
    return total;
}

bool kubernetes_resources_match(const struct kubernetes_resources *resources, const struct kubernetes_target *target) {
    for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
        size_t count;
        int64_t total = sum(resources, m, &count);
        /* In whole units, rounded up, as the listing counts them. */
        if (wanted(target, m) != 0 && total / unit_of(m) + (total % unit_of(m) != 0) != wanted(target, m))
            return false;
    }
    return true;
}

static bool is_guaranteed(const struct kubernetes_resources *resources) {
    for (size_t i = 0; i < resources->count; i++) {
        for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
            const struct kubernetes_amount *now = &resources->items[i].now[m];
            if (now->limit <= 0 || now->request != now->limit)
                return false;
        }
    }
    return true;
}

/* `total` units in proportion to the requests. By the rounded running sum, so that nothing is lost; then each gets at
 * least one unit, at the cost of the largest. */
static void share_out(struct kubernetes_resources *resources, enum kubernetes_measure m, int64_t total,
                      int64_t weight) {
    wide passed = 0;
    int64_t given = 0, owed = 0;
    struct kubernetes_container *largest = NULL;
    for (size_t i = 0; i < resources->count; i++) {
        struct kubernetes_container *one = &resources->items[i];
        if (!counts(one) || one->now[m].request <= 0)
            continue;
        passed += one->now[m].request;
        int64_t until = (int64_t)((passed * total * 2 + weight) / ((wide)weight * 2));
        int64_t share = until - given;
        given = until;
        if (share < 1) {
            owed += 1 - share;
            share = 1;
        }
        one->to[m].request = share * unit_of(m);
        if (largest == NULL || one->to[m].request > largest->to[m].request)
            largest = one;
    }
    /* At least as many units as containers are shared out, but the largest alone may hold too few to pay for all. */
    for (; owed > 0; owed--) {
        largest->to[m].request -= unit_of(m);
        for (size_t i = 0; i < resources->count; i++) {
            struct kubernetes_container *one = &resources->items[i];
            if (counts(one) && one->now[m].request > 0 && one->to[m].request > largest->to[m].request)
                largest = one;
        }
    }
}

/* The limit that goes with a new request. */
static int64_t limit_for(const struct kubernetes_amount *now, int64_t request, bool guaranteed, int64_t unit) {
    if (guaranteed)
        return request;
    if (now->limit < 0)
        return -1;
    bool stood_above = now->limit > now->request;
    if (now->limit > request || (now->limit == request && !stood_above))
        return now->limit;
    if (!stood_above)
        return request;
    /* In the ratio that it had, in whole units. */
    wide scaled = (wide)now->limit * request / now->request;
    wide units = (scaled + unit - 1) / unit;
    wide limit = units * unit > request ? units * unit : (wide)request + unit;
    return limit < AMOUNT_MAX ? (int64_t)limit : AMOUNT_MAX;
}

enum err_class kubernetes_resources_plan(struct kubernetes_resources *resources, const struct kubernetes_target *target,
                                         struct error *err) {
    bool guaranteed = is_guaranteed(resources);
    for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
        size_t count;
        int64_t weight = sum(resources, m, &count);
        if (wanted(target, m) == 0)
            continue;
        if (count == 0)
            return error_set(err, ERR_PERMANENT, "no container requests any %s, so that there is nothing to resize",
                             measure_names[m]);
        if (wanted(target, m) < (int64_t)count || wanted(target, m) > AMOUNT_MAX / unit_of(m) || weight > AMOUNT_MAX)
            return error_set(err, ERR_PERMANENT, "%lld %s cannot be shared out among %zu containers",
                             (long long)wanted(target, m), m == KUBERNETES_CPU ? "milli-cores" : "MiB", count);
        share_out(resources, m, wanted(target, m), weight);
        for (size_t i = 0; i < resources->count; i++) {
            struct kubernetes_container *one = &resources->items[i];
            if (counts(one) && one->now[m].request > 0)
                one->to[m].limit = limit_for(&one->now[m], one->to[m].request, guaranteed, unit_of(m));
        }
    }
    return ERR_NONE;
}

static bool changes(const struct kubernetes_container *container, enum kubernetes_measure measure) {
    const struct kubernetes_amount *now = &container->now[measure], *to = &container->to[measure];
    return now->request != to->request || now->limit != to->limit;
}

bool kubernetes_resources_restart(const struct kubernetes_resources *resources) {
    for (size_t i = 0; i < resources->count; i++) {
        for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
            if (resources->items[i].restarts[m] && changes(&resources->items[i], m))
                return true;
        }
    }
    return false;
}

void kubernetes_quantity_print(enum kubernetes_measure measure, int64_t amount, char to[KUBERNETES_QUANTITY_SIZE]) {
    bool is_mib = measure == KUBERNETES_MEMORY && amount % MIB == 0;
    snprintf(to, KUBERNETES_QUANTITY_SIZE, "%lld%s", (long long)(is_mib ? amount / MIB : amount),
             is_mib                      ? "Mi"
             : measure == KUBERNETES_CPU ? "m"
                                         : "");
}

bool kubernetes_resources_may_restart(const struct kubernetes_resources *resources) {
    for (size_t i = 0; i < resources->count; i++) {
        if (resources->items[i].restarts[KUBERNETES_CPU] || resources->items[i].restarts[KUBERNETES_MEMORY])
            return true;
    }
    return false;
}

bool kubernetes_resources_has(const struct kubernetes_resources *spec, const char *name, const struct json *resources) {
    for (size_t i = 0; i < spec->count; i++) {
        for (enum kubernetes_measure m = 0; str_eq(spec->items[i].name, name) && m < KUBERNETES_MEASURE_COUNT; m++) {
            int64_t has;
            if (!read_amount(json_get(resources, "requests"), m, &has) ||
                (has >= 0 && has != spec->items[i].now[m].request))
                return false;
        }
    }
    return true;
}

static void write_quantity(struct json_writer *w, enum kubernetes_measure measure, int64_t amount) {
    char text[KUBERNETES_QUANTITY_SIZE];
    kubernetes_quantity_print(measure, amount, text);
    jw_put_string(w, measure_names[measure], text);
}

static void write_container(const struct kubernetes_container *container, struct json_writer *w) {
    jw_open(w, '{');
    jw_put_string(w, "name", container->name);
    jw_key(w, "resources");
    jw_open(w, '{');
    for (int is_limit = 0; is_limit <= 1; is_limit++) {
        jw_key(w, is_limit ? "limits" : "requests");
        jw_open(w, '{');
        for (enum kubernetes_measure m = 0; m < KUBERNETES_MEASURE_COUNT; m++) {
            int64_t amount = is_limit ? container->to[m].limit : container->to[m].request;
            if (changes(container, m) && amount >= 0)
                write_quantity(w, m, amount);
        }
        jw_close(w, '}');
    }
    jw_close(w, '}');
    jw_close(w, '}');
}

void kubernetes_resources_write(const struct kubernetes_resources *resources, struct json_writer *w) {
    for (int is_init = 0; is_init <= 1; is_init++) {
        bool has_any = false;
        for (size_t i = 0; i < resources->count; i++) {
            const struct kubernetes_container *one = &resources->items[i];
            if ((one->role != KUBERNETES_CONTAINER) != is_init ||
                (!changes(one, KUBERNETES_CPU) && !changes(one, KUBERNETES_MEMORY)))
                continue;
            if (!has_any) {
                jw_key(w, is_init ? "initContainers" : "containers");
                jw_open(w, '[');
                has_any = true;
            }
            write_container(one, w);
        }
        if (has_any)
            jw_close(w, ']');
    }
}

/* Targets in text. */

struct kubernetes_target kubernetes_target_parse(const char *text) {
    struct kubernetes_target target = {0};
    struct json *root;
    struct error ignored;
    int64_t bytes = 0;
    if (text == NULL || json_parse(bytes_of(text), &root, &ignored) != ERR_NONE)
        return target;
    if (!kubernetes_quantity_milli(json_string(json_get(root, "cpu"), "0"), &target.cpu_milli))
        target.cpu_milli = 0;
    if (kubernetes_quantity_bytes(json_string(json_get(root, "memory"), "0"), &bytes))
        target.memory_mib = bytes / MIB + (bytes % MIB != 0);
    json_free(root);
    return target;
}

const char *kubernetes_target_print(const struct kubernetes_target *target, struct arena *arena) {
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    jw_open(&w, '{');
    if (target->cpu_milli != 0)
        jw_put_string(&w, "cpu", arena_printf(arena, "%lldm", (long long)target->cpu_milli));
    if (target->memory_mib != 0)
        jw_put_string(&w, "memory", arena_printf(arena, "%lldMi", (long long)target->memory_mib));
    jw_close(&w, '}');
    const char *text = arena_strdup(arena, buf_text(&out));
    buf_release(&out);
    return text;
}

bool kubernetes_target_check(const struct kubernetes_target *target, struct error *err) {
    if (target->cpu_milli >= 0 && target->memory_mib >= 0 && (target->cpu_milli > 0 || target->memory_mib > 0))
        return true;
    error_set(err, ERR_PERMANENT, "kubernetes: a resize to %lld milli-cores and %lld MiB", (long long)target->cpu_milli,
              (long long)target->memory_mib);
    return false;
}

struct kubernetes_target kubernetes_target_merge(struct kubernetes_target under, struct kubernetes_target over) {
    return (struct kubernetes_target){.cpu_milli = over.cpu_milli != 0 ? over.cpu_milli : under.cpu_milli,
                                      .memory_mib = over.memory_mib != 0 ? over.memory_mib : under.memory_mib};
}

bool kubernetes_target_of_handle(const char *rest, struct kubernetes_target *ret) {
    char cpu[32];
    const char *slash = strchr(rest, '/');
    struct kubernetes_target found;
    if (slash == NULL || (size_t)(slash - rest) >= sizeof(cpu))
        return false;
    str_copy(cpu, (size_t)(slash - rest) + 1, rest);
    if (!str_to_int64(cpu, &found.cpu_milli) || !str_to_int64(slash + 1, &found.memory_mib) || found.cpu_milli < 0 ||
        found.memory_mib < 0 || (found.cpu_milli == 0 && found.memory_mib == 0))
        return false;
    *ret = found;
    return true;
}
