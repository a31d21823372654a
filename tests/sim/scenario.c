/* See scenario.h. SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define START_MS INT64_C(1790553600000)
#define STEP_MS INT64_C(300000)

const char *const scenario_groups[SCENARIO_GROUPS] = {"web-a", "web-b", "api"};
const char *const scenario_policies[2] = {"web", "api"};

/* Bounds of the policies. */
struct bounds {
    const char *policy, *groups[2];
    int64_t min, max;
};
static const struct bounds bounds[] = {{"web", {"web-a", "web-b"}, 4, 24}, {"api", {"api", NULL}, 2, 16}};

uint64_t scenario_random(struct scenario *s, uint64_t below) {
    s->random = sim_mix(s->random);
    return s->random % below;
}

/* ---- demand ---- */

static void trace_finish(struct scenario_trace *t) {
    double max = 0;
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        max = t->values[i] > max ? t->values[i] : max;
    t->trace = (struct sim_trace){.path = "",
                                  .times_ms = t->times_ms,
                                  .values = t->values,
                                  .count = SCENARIO_POINTS,
                                  .period_ms = SCENARIO_POINTS * STEP_MS,
                                  .value_max = max};
}

/* The week begins three days before the start. */
static size_t point_of_start(struct scenario_trace *t) {
    size_t start = 3 * 288;
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        t->times_ms[i] = START_MS + ((int64_t)i - (int64_t)start) * STEP_MS;
    return start;
}

static void demand_moving(struct scenario *s, size_t group, int64_t hours) {
    struct scenario_trace *t = &s->demand[group];
    size_t start = point_of_start(t), end = start + (size_t)hours * 12;
    double level = 8 + (double)scenario_random(s, 12);
    for (size_t i = 0; i < SCENARIO_POINTS; i++) {
        if (i >= start && i < end && scenario_random(s, 4) == 0)
            level = 4 + (double)scenario_random(s, 26);
        t->values[i] = level;
    }
    trace_finish(t);
}

void scenario_flat(struct scenario *s, size_t group, double before_vcpu, double after_vcpu) {
    struct scenario_trace *t = &s->demand[group];
    size_t start = point_of_start(t);
    for (size_t i = 0; i < SCENARIO_POINTS; i++)
        t->values[i] = i < start ? before_vcpu : after_vcpu;
    trace_finish(t);
}

/* ---- objects ---- */

static void provider_put(struct scenario *s, const char *faults) {
    struct buf text = {0};
    buf_printf(&text,
               "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"Provider\",\"metadata\":{\"name\":\"sim\","
               "\"namespace\":\"default\"},\"spec\":{\"type\":\"simulated\",\"regions\":[\"us-east-1\"],"
               "\"simulated\":{\"seed\":%llu,\"faults\":%s,\"groups\":[",
               (unsigned long long)(s->world.options.seed & 0xffffff), faults ? faults : "{\"latency\":\"300ms\"}");
    for (size_t i = 0; i < SCENARIO_GROUPS; i++)
        buf_printf(&text,
                   "%s{\"name\":\"%s\",\"region\":\"us-east-1\",\"instanceType\":\"m5.xlarge\",\"count\":%d,"
                   "\"min\":1,\"max\":30,\"bootDelay\":\"90s\",\"tags\":{\"app\":\"%.3s\"}}",
                   i ? "," : "", scenario_groups[i], i == 2 ? 8 : 6, scenario_groups[i]);
    buf_puts(&text, "]}}}");
    sim_world_apply(&s->world, buf_text(&text));
    buf_release(&text);
}

static const char *kinds_of(const struct sim_cloud *cloud) {
    if (cloud->node_count > 0)
        return "\"Workload\",\"Node\"";
    return cloud->is_cluster ? "\"Workload\"" : "\"InstanceGroup\"";
}

void scenario_policy(struct scenario *s, const char *name, const char *app, const char *mode, int64_t min,
                     int64_t max) {
    char *text = mem_printf(
        "{\"apiVersion\":\"trimtab.dev/v1alpha1\",\"kind\":\"ResourcePolicy\",\"metadata\":{\"name\":\"%s\","
        "\"namespace\":\"default\"},\"spec\":{%s\"selector\":{\"providers\":[\"sim\"],\"kinds\":[%s],"
        "\"tags\":{\"app\":\"%s\"}},\"mode\":\"%s\",\"actions\":[\"Scale\",\"Rightsize\",\"Delete\"],\"sla\":{"
        "\"targetUtilization\":65,"
        "\"maxViolationPerMille\":50,\"leadTime\":\"5m\"},\"capacity\":{\"min\":%lld,\"max\":%lld},"
        "\"forecast\":{\"metric\":\"cpu\",\"history\":\"6h\",\"horizon\":\"2h\"},"
        "\"disruption\":{\"cooldown\":\"2m\",\"maxChangePercent\":50,\"maxConcurrent\":1}}}",
        name, s->policy_more ? s->policy_more : "", kinds_of(&s->world.cloud), app, mode, (long long)min,
        (long long)max);
    sim_world_apply(&s->world, text);
    mem_free(text);
}

/* ---- life ---- */

static void directory_make(struct scenario *s) {
    /* Memory where there is some: a kill loses no more than on a disk, and nobody waits for fsync. */
    bool has_memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(s->directory, sizeof(s->directory), "%s/trimtab-sim-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(s->directory));
    (void)snprintf(s->database, sizeof(s->database), "sqlite:%s/trimtab.db", s->directory);
}

static void directory_remove(struct scenario *s) {
    static const char *const names[] = {"trimtab.db", "trimtab.db-wal", "trimtab.db-shm", "trimtab.db.lock"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = mem_printf("%s/%s", s->directory, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    cr_assert_eq(rmdir(s->directory), 0);
}

void scenario_start(struct scenario *s, const struct scenario_options *options) {
    memset(s, 0, sizeof(*s));
    s->random = sim_mix(options->seed + 1);
    s->policy_more = options->policy_more;
    if (options->on_disk)
        directory_make(s);
    sim_world_open(&s->world, &(struct sim_world_options){.seed = options->seed,
                                                          .wall_ms = START_MS,
                                                          .database = options->on_disk ? s->database : NULL});
    s->world.cloud.is_cluster = options->is_cluster;
    s->world.cloud.node_count = options->node_count;
    sim_world_run(&s->world, NS_PER_MS);
    provider_put(s, options->faults);
    /* The adapter opens with the first reconcile; its demand must be there before it is asked for. */
    while (sim_cloud_size(&s->world.cloud, "default/sim", "api") < 0)
        cr_assert(sim_world_step(&s->world, SIM_MINUTE), "the Provider does not open");
    for (size_t i = 0; i < SCENARIO_GROUPS; i++) {
        demand_moving(s, i, options->moving_hours);
        sim_cloud_demand(&s->world.cloud, "default/sim", scenario_groups[i], &s->demand[i].trace);
    }
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        scenario_policy(s, bounds[i].policy, bounds[i].policy, options->mode ? options->mode : "Enforce", bounds[i].min,
                        bounds[i].max);
}

void scenario_stop(struct scenario *s) {
    sim_world_stop(&s->world);
    if (s->directory[0])
        directory_remove(s);
}

/* ---- looking ---- */

int64_t scenario_size(const struct scenario *s, const char *group) {
    return sim_cloud_size(&s->world.cloud, "default/sim", group);
}

size_t scenario_count(struct scenario *s, const char *phase) {
    struct json *list = sim_world_list(&s->world, OBJECT_RECOMMENDATION);
    const struct json *items = json_get(list, "items");
    size_t count = 0;
    for (size_t i = 0; i < json_array_count(items); i++)
        count += !phase[0] || str_eq(json_string(json_at(json_array_at(items, i), "status.phase"), "none"), phase);
    json_free(list);
    return count;
}

size_t scenario_open(struct scenario *s) {
    return scenario_count(s, "none") + scenario_count(s, "Approved") + scenario_count(s, "Running") +
           scenario_count(s, "Verifying") + scenario_count(s, "Reverting");
}

static int64_t sum_of(const struct scenario *s, const struct bounds *b) {
    int64_t sum = scenario_size(s, b->groups[0]);
    return b->groups[1] ? sum + scenario_size(s, b->groups[1]) : sum;
}

bool scenario_is_quiet(struct scenario *s) {
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        int64_t desired =
            strtoll(sim_world_field(&s->world, OBJECT_POLICY, "default", bounds[i].policy, "status.desired"), NULL, 10);
        if (desired != sum_of(s, &bounds[i]))
            return false;
        if (!str_eq(sim_world_condition(&s->world, OBJECT_POLICY, "default", bounds[i].policy, "Ready"), "True"))
            return false;
    }
    return scenario_open(s) == 0;
}

static void print_open(struct scenario *s) {
    struct buf text = {0};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        store_local_print(s->world.store, OBJECT_POLICY, "default", bounds[i].policy, &text);
        fprintf(stderr, "%s\n", buf_text(&text));
        buf_clear(&text);
    }
    store_local_print_list(s->world.store, OBJECT_RECOMMENDATION, NULL, &text);
    fprintf(stderr, "%s\n", buf_text(&text));
    buf_release(&text);
}

void scenario_settle(struct scenario *s, uint64_t limit_ns) {
    uint64_t end_ns = s->world.cloud.runtime.now_ns + limit_ns;
    while (s->world.cloud.runtime.now_ns < end_ns) {
        sim_world_run(&s->world, 5 * SIM_MINUTE);
        scenario_check(s);
        if (scenario_is_quiet(s))
            return;
    }
    print_open(s);
    cr_assert_fail("seed %llu: not quiet after %llu minutes", (unsigned long long)s->world.options.seed,
                   (unsigned long long)(limit_ns / SIM_MINUTE));
}

static void check_once(const struct scenario *s) {
    const struct sim_cloud *cloud = &s->world.cloud;
    for (size_t i = 0; i < cloud->effect_count; i++) {
        const struct sim_effect *e = &cloud->effects[i];
        for (size_t k = i + 1; e->token[0] && k < cloud->effect_count; k++)
            cr_assert_str_neq(e->token, cloud->effects[k].token,
                              "seed %llu: one Recommendation, two effects: %s %lld -> %lld and %lld -> %lld",
                              (unsigned long long)s->world.options.seed, e->group, (long long)e->before,
                              (long long)e->after, (long long)cloud->effects[k].before,
                              (long long)cloud->effects[k].after);
    }
}

/* Replays the effects backwards from the sizes of now: the sums at every moment, not only at this one. */
static void check_bounds(const struct scenario *s, const struct bounds *b) {
    const struct sim_cloud *cloud = &s->world.cloud;
    int64_t sum = sum_of(s, b);
    for (size_t i = cloud->effect_count + 1; i-- > 0;) {
        cr_assert(sum >= b->min && sum <= b->max, "seed %llu: policy %s: %lld is outside of %lld to %lld (effect %zu)",
                  (unsigned long long)s->world.options.seed, b->policy, (long long)sum, (long long)b->min,
                  (long long)b->max, i);
        if (i == 0)
            return;
        const struct sim_effect *e = &cloud->effects[i - 1];
        if (str_eq(e->group, b->groups[0]) || (b->groups[1] && str_eq(e->group, b->groups[1])))
            sum += e->before - e->after;
    }
}

void scenario_check(const struct scenario *s) {
    check_once(s);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        check_bounds(s, &bounds[i]);
}
