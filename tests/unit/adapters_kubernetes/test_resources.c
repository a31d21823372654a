/*
 * The arithmetic of pods' requests: shares, limits, quality of service, patches, and targets in text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/kubernetes/apply_internal.h"
#include "base/str.h"

#define MIB (INT64_C(1) << 20)

static struct arena arena;

static void tear_down(void) {
    arena_release(&arena);
}

TestSuite(kubernetes_resources, .fini = tear_down);

static enum err_class read_spec(const char *text, struct kubernetes_resources *ret, struct error *err) {
    struct json *root;
    struct error parse = {0};
    cr_assert_eq(json_parse(bytes_of(text), &root, &parse), ERR_NONE, "%s", parse.message);
    enum err_class class = kubernetes_resources_read(root, &arena, ret, err);
    json_free(root);
    return class;
}

static struct kubernetes_resources read_well(const char *text) {
    struct kubernetes_resources resources;
    struct error err = {0};
    cr_assert_eq(read_spec(text, &resources, &err), ERR_NONE, "%s", err.message);
    return resources;
}

/* The patch that makes the spec's requests the target; NULL: refused. */
static const char *patch_of(const char *spec, int64_t cpu_milli, int64_t memory_mib) {
    struct kubernetes_resources resources = read_well(spec);
    const struct kubernetes_target target = {cpu_milli, memory_mib};
    struct error err = {0};
    struct buf out = {0};
    struct json_writer w = {.out = &out};
    if (kubernetes_resources_plan(&resources, &target, &err) != ERR_NONE) {
        cr_expect_eq(err.class, ERR_PERMANENT);
        return NULL;
    }
    jw_open(&w, '{');
    kubernetes_resources_write(&resources, &w);
    jw_close(&w, '}');
    const char *text = arena_strdup(&arena, buf_text(&out));
    buf_release(&out);
    return text;
}

#define SPEC(containers) "{\"containers\": [" containers "]}"
#define REQUESTS(name, cpu, memory)                                                                                    \
    "{\"name\": \"" name "\", \"resources\": {\"requests\": {\"cpu\": \"" cpu "\", \"memory\": \"" memory "\"}}}"
#define BOTH(name, cpu, memory)                                                                                        \
    "{\"name\": \"" name "\", \"resources\": {\"requests\": {\"cpu\": \"" cpu "\", \"memory\": \"" memory "\"},"       \
    "\"limits\": {\"cpu\": \"" cpu "\", \"memory\": \"" memory "\"}}}"

static int64_t sum_of(const struct kubernetes_resources *resources, enum kubernetes_measure measure) {
    int64_t total = 0;
    for (size_t i = 0; i < resources->count; i++) {
        if (resources->items[i].role != KUBERNETES_INIT_CONTAINER && resources->items[i].to[measure].request > 0)
            total += resources->items[i].to[measure].request;
    }
    return total;
}

Test(kubernetes_resources, a_total_is_shared_out_in_proportion) {
    cr_expect_str_eq(patch_of(SPEC(REQUESTS("a", "300m", "256Mi") "," REQUESTS("b", "100m", "64Mi")), 800, 640),
                     "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"600m\",\"memory\":"
                     "\"512Mi\"},\"limits\":{}}},{\"name\":\"b\",\"resources\":{\"requests\":{\"cpu\":\"200m\","
                     "\"memory\":\"128Mi\"},\"limits\":{}}}]}");
}

Test(kubernetes_resources, what_is_not_named_and_what_stays_is_not_in_the_patch) {
    cr_expect_str_eq(
        patch_of(SPEC(REQUESTS("a", "300m", "256Mi") "," REQUESTS("b", "1m", "64Mi")), 303, 0),
        "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"302m\"},\"limits\":{}}}]}");
    cr_expect_str_eq(patch_of(SPEC(REQUESTS("a", "300m", "256Mi")), 300, 256), "{}");
}

Test(kubernetes_resources, shares_sum_up_exactly_and_none_is_nothing) {
    static const char *const cpus[] = {"1m", "3m", "7m", "250m", "1", "64", "1m", "333m"};
    struct buf spec = {0};
    buf_puts(&spec, "{\"containers\": [");
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++)
        buf_printf(&spec,
                   "%s{\"name\": \"c%zu\", \"resources\": {\"requests\": {\"cpu\": \"%s\", \"memory\": \"%zu\"}}}",
                   i > 0 ? "," : "", i, cpus[i], (i * i * 7919 + 1) * 4099);
    buf_puts(&spec, "]}");
    for (int64_t target = 8; target < 4000; target += 13) {
        struct kubernetes_resources resources = read_well(buf_text(&spec));
        const struct kubernetes_target wanted = {target, target};
        struct error err = {0};
        cr_assert_eq(kubernetes_resources_plan(&resources, &wanted, &err), ERR_NONE, "%s", err.message);
        cr_assert_eq(sum_of(&resources, KUBERNETES_CPU), target);
        cr_assert_eq(sum_of(&resources, KUBERNETES_MEMORY), target * MIB);
        for (size_t i = 0; i < resources.count; i++) {
            cr_assert_geq(resources.items[i].to[KUBERNETES_CPU].request, 1);
            cr_assert_geq(resources.items[i].to[KUBERNETES_MEMORY].request, MIB);
        }
    }
    cr_expect_null(patch_of(buf_text(&spec), 7, 0), "fewer milli-cores than containers");
    buf_release(&spec);
}

Test(kubernetes_resources, amounts_at_the_edge_do_not_overflow) {
    cr_expect_not_null(patch_of(SPEC(REQUESTS("a", "1e14", "0.5Ei") "," REQUESTS("b", "1", "1")), 1000, 1 << 30));
    cr_expect_null(patch_of(SPEC(REQUESTS("a", "1", "1Mi")), 0, INT64_MAX));
    struct kubernetes_resources resources;
    struct error err = {0};
    cr_expect_eq(read_spec(SPEC(REQUESTS("a", "1", "9Ei")), &resources, &err), ERR_PERMANENT);
    cr_expect_eq(read_spec(SPEC(REQUESTS("a", "one", "1Mi")), &resources, &err), ERR_PERMANENT);
    cr_expect_eq(read_spec("{\"containers\": []}", &resources, &err), ERR_PERMANENT);
}

Test(kubernetes_resources, guaranteed_pods_get_limits_that_are_the_requests) {
    cr_expect_str_eq(patch_of(SPEC(BOTH("a", "500m", "256Mi")), 250, 0),
                     "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"250m\"},\"limits\":"
                     "{\"cpu\":\"250m\"}}}]}");
}

Test(kubernetes_resources, a_pod_with_an_init_container_of_less_is_not_guaranteed) {
    const char *spec = "{\"containers\": [" BOTH(
        "a", "500m", "256Mi") "], \"initContainers\": ["
                              "{\"name\": \"i\", \"resources\": {\"requests\": {\"cpu\": \"8\"}}}]}";
    /* Burstable: a limit that is large enough stays. */
    cr_expect_str_eq(patch_of(spec, 250, 0),
                     "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"250m\"},\"limits\":"
                     "{\"cpu\":\"500m\"}}}]}");
}

Test(kubernetes_resources, limits_rise_with_requests_and_a_pod_never_becomes_guaranteed) {
    struct {
        const char *limit;
        int64_t request; /* From 100m. */
        int64_t limit_after;
    } rows[] = {{"200m", 150, 200}, {"200m", 200, 400}, {"200m", 300, 600},  {"100m", 300, 300},
                {"100m", 50, 100},  {"101m", 101, 102}, {"101m", 1000, 1010}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* The memory alone would let it be Guaranteed. */
        const char *spec = arena_printf(&arena,
                                        "{\"containers\": [{\"name\": \"a\", \"resources\": {\"requests\": {\"cpu\": "
                                        "\"100m\", \"memory\": \"1Gi\"}, \"limits\": {\"cpu\": \"%s\", \"memory\": "
                                        "\"1Gi\"}}}, {\"name\": \"other\"}]}",
                                        rows[i].limit);
        struct kubernetes_resources resources = read_well(spec);
        const struct kubernetes_target target = {rows[i].request, 0};
        struct error err = {0};
        cr_assert_eq(kubernetes_resources_plan(&resources, &target, &err), ERR_NONE);
        cr_expect_eq(resources.items[0].to[KUBERNETES_CPU].limit, rows[i].limit_after, "row %zu: %lld", i,
                     (long long)resources.items[0].to[KUBERNETES_CPU].limit);
    }
}

Test(kubernetes_resources, sidecars_count_and_are_patched_where_they_stand) {
    const char *spec = "{\"containers\": [" REQUESTS(
        "a", "300m",
        "64Mi") "], \"initContainers\": ["
                "{\"name\": \"init\", \"resources\": {\"requests\": {\"cpu\": \"8\"}}},"
                "{\"name\": \"mesh\", \"restartPolicy\": \"Always\", \"resources\": {\"requests\": {\"cpu\": "
                "\"100m\"}}}]}";
    cr_expect_str_eq(patch_of(spec, 800, 0),
                     "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"600m\"},\"limits\":{}}}],"
                     "\"initContainers\":[{\"name\":\"mesh\",\"resources\":{\"requests\":{\"cpu\":\"200m\"},"
                     "\"limits\":{}}}]}");
    struct kubernetes_resources resources = read_well(spec);
    cr_expect(kubernetes_resources_match(&resources, &(struct kubernetes_target){400, 64}));
    cr_expect_not(kubernetes_resources_match(&resources, &(struct kubernetes_target){401, 64}));
    cr_expect_not(kubernetes_resources_match(&resources, &(struct kubernetes_target){400, 65}));
}

Test(kubernetes_resources, a_limit_without_a_request_is_the_request) {
    cr_expect_str_eq(patch_of(SPEC("{\"name\": \"a\", \"resources\": {\"limits\": {\"cpu\": \"1\"}}}"), 500, 0),
                     "{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"500m\"},\"limits\":"
                     "{\"cpu\":\"1000m\"}}}]}");
}

Test(kubernetes_resources, nothing_that_requests_it_and_requests_of_the_whole_pod_are_refused) {
    cr_expect_null(patch_of(SPEC("{\"name\": \"a\"}"), 500, 0));
    cr_expect_null(patch_of(SPEC("{\"name\": \"a\", \"resources\": {\"requests\": {\"cpu\": \"0\"}}}"), 500, 0));
    struct kubernetes_resources resources;
    struct error err = {0};
    cr_expect_eq(read_spec("{\"resources\": {\"requests\": {\"cpu\": \"1\"}}, \"containers\": [{\"name\": \"a\"}]}",
                           &resources, &err),
                 ERR_PERMANENT);
}

Test(kubernetes_resources, only_a_change_of_a_measure_that_restarts_restarts) {
    struct kubernetes_resources resources =
        read_well(SPEC("{\"name\": \"a\", \"resizePolicy\": [{\"resourceName\": \"cpu\", \"restartPolicy\": "
                       "\"NotRequired\"}, {\"resourceName\": \"memory\", \"restartPolicy\": \"RestartContainer\"}],"
                       "\"resources\": {\"requests\": {\"cpu\": \"1\", \"memory\": \"1Gi\"}}}"));
    struct error err = {0};
    cr_expect(kubernetes_resources_may_restart(&resources));
    cr_assert_eq(kubernetes_resources_plan(&resources, &(struct kubernetes_target){500, 0}, &err), ERR_NONE);
    cr_expect_not(kubernetes_resources_restart(&resources));
    cr_assert_eq(kubernetes_resources_plan(&resources, &(struct kubernetes_target){0, 512}, &err), ERR_NONE);
    cr_expect(kubernetes_resources_restart(&resources));
}

Test(kubernetes_resources, targets_are_read_back_as_they_are_written) {
    static const struct kubernetes_target rows[] = {{500, 512}, {0, 512}, {500, 0}, {1, 1}, {123456, 7654321}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kubernetes_target found = kubernetes_target_parse(kubernetes_target_print(&rows[i], &arena));
        cr_expect_eq(found.cpu_milli, rows[i].cpu_milli);
        cr_expect_eq(found.memory_mib, rows[i].memory_mib);
    }
    static const char *const others[] = {"", "{", "[]", "{\"cpu\": 5}", "{\"cpu\": \"-1\"}", "{\"memory\": \"x\"}"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct kubernetes_target found = kubernetes_target_parse(others[i]);
        cr_expect(found.cpu_milli == 0 && found.memory_mib == 0, "%s", others[i]);
    }
    struct kubernetes_target found = kubernetes_target_parse("{\"cpu\": \"1.5\", \"memory\": \"1G\"}");
    cr_expect_eq(found.cpu_milli, 1500);
    cr_expect_eq(found.memory_mib, 954);
}

Test(kubernetes_resources, the_end_of_a_handle_is_parsed_strictly) {
    struct kubernetes_target found;
    cr_expect(kubernetes_target_of_handle("500/512", &found) && found.cpu_milli == 500 && found.memory_mib == 512);
    cr_expect(kubernetes_target_of_handle("0/512", &found));
    static const char *const others[] = {
        "",     "/",        "500",       "500/",  "/512",  "0/0",   "-1/5",
        "5/-1", "500/512/", "500/512/1", "a/512", "5 /12", "5/1e3", "99999999999999999999999999999999999999/5"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_expect_not(kubernetes_target_of_handle(others[i], &found), "%s", others[i]);
}
