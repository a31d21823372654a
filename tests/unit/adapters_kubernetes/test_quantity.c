/*
 * Quantities, ids, and who owns a field.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/kubernetes/world.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
    const char *text;
    int64_t milli, bytes; /* -1: not a quantity. */
} quantities[] = {
    {"0", 0, 0},
    {"1", 1000, 1},
    {"+1", 1000, 1},
    {"500m", 500, 1},
    {"0.1", 100, 1},
    {"0.0001", 1, 1},
    {"1.5", 1500, 2},
    {".5", 500, 1},
    {"1.", 1000, 1},
    {"123456789n", 124, 1},
    {"250000u", 250, 1},
    {"1k", 1000000, 1000},
    {"1Ki", 1024000, 1024},
    {"0.5Gi", 536870912000, 536870912},
    {"512Mi", 536870912000, 536870912},
    {"1e3", 1000000, 1000},
    {"1E3", 1000000, 1000},
    {"1e+3", 1000000, 1000},
    {"5e-1", 500, 1},
    {"1E", INT64_MAX, INT64_C(1000000000000000000)},
    {"7Ei", INT64_MAX, INT64_C(8070450532247928832)},
    {"9000Ei", INT64_MAX, INT64_MAX},
    {"9223372036854775807", INT64_MAX, INT64_MAX},
    {"", -1, -1},
    {"-1", -1, -1},
    {"++1", -1, -1},
    {".", -1, -1},
    {"1.2.3", -1, -1},
    {"1 Gi", -1, -1},
    {"1gi", -1, -1},
    {"1e", -1, -1},
    {"1e99", -1, -1},
    {"Gi", -1, -1},
    {"0x10", -1, -1},
    {"nan", -1, -1},
};

Test(kubernetes_quantity, all_forms_are_read_exactly_and_rounded_up) {
    for (size_t i = 0; i < ARRAY_LEN(quantities); i++) {
        int64_t milli = -1, bytes = -1;
        double value;
        bool is_good = quantities[i].milli >= 0;
        cr_expect_eq(kubernetes_quantity_milli(quantities[i].text, &milli), is_good, "%s", quantities[i].text);
        cr_expect_eq(kubernetes_quantity_bytes(quantities[i].text, &bytes), is_good, "%s", quantities[i].text);
        cr_expect_eq(kubernetes_quantity(quantities[i].text, &value), is_good, "%s", quantities[i].text);
        cr_expect_eq(milli, quantities[i].milli, "%s: %ld", quantities[i].text, (long)milli);
        cr_expect_eq(bytes, quantities[i].bytes, "%s: %ld", quantities[i].text, (long)bytes);
    }
}

Test(kubernetes_quantity, an_id_has_three_parts) {
    static const char *const bad[] = {"", "a", "a/b", "a/b/", "/b/c", "a//c", "a/b/c/d", "a/b/c/"};
    struct arena arena = {0};
    struct kubernetes_id id;
    cr_assert(kubernetes_id_parse("shop/Deployment/web.v1", &arena, &id));
    cr_expect_str_eq(id.namespace, "shop");
    cr_expect_str_eq(id.kind, "Deployment");
    cr_expect_str_eq(id.name, "web.v1");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_expect_not(kubernetes_id_parse(bad[i], &arena, &id), "%s", bad[i]);
    arena_release(&arena);
}

#define REPLICAS "{\"f:spec\": {\"f:replicas\": {}}}"
#define REQUESTS                                                                                                       \
    "{\"f:spec\": {\"f:template\": {\"f:spec\": {\"f:containers\": {\"k:{\\\"name\\\":\\\"app\\\"}\": {\".\": {},"     \
    "\"f:resources\": {\"f:requests\": {\".\": {}, \"f:cpu\": {}}}}}}}}}"
#define LIMITS_ONLY                                                                                                    \
    "{\"f:spec\": {\"f:template\": {\"f:spec\": {\"f:containers\": {\"k:{\\\"name\\\":\\\"app\\\"}\": {"               \
    "\"f:resources\": {\"f:limits\": {\"f:cpu\": {}}}}}}}}}"
#define ENTRY(manager, operation, fields)                                                                              \
    "{\"manager\": \"" manager "\", \"operation\": \"" operation "\", \"fieldsV1\": " fields "}"

static const struct {
    const char *entries;
    const char *replicas, *requests;
} managed[] = {
    {"", NULL, NULL},
    {ENTRY("kubectl-client-side-apply", "Update", REPLICAS) "," ENTRY("kubectl", "Apply", REQUESTS), NULL, NULL},
    {ENTRY("kubectl-create", "Update", REPLICAS), NULL, NULL},
    {ENTRY("trimtab", "Update", REPLICAS) "," ENTRY("trimtab", "Apply", REQUESTS), NULL, NULL},
    {ENTRY("kube-controller-manager", "Update", REPLICAS), NULL, NULL},
    {ENTRY("argocd-controller", "Apply", REPLICAS), "argocd-controller", NULL},
    {ENTRY("argocd-application-controller", "Update", REQUESTS), NULL, "argocd-application-controller"},
    {ENTRY("kustomize-controller", "Apply", REPLICAS) "," ENTRY("helm-controller", "Update", REQUESTS),
     "kustomize-controller", "helm-controller"},
    {ENTRY("helm", "Update", REPLICAS), "helm", NULL},
    {ENTRY("somebody-new", "Update", REPLICAS), "somebody-new", NULL},
    {ENTRY("helm", "Update", LIMITS_ONLY), NULL, NULL},
    {ENTRY("helm", "Update", "{\"f:status\": {\"f:replicas\": {}}}"), NULL, NULL},
    {ENTRY("helm", "Update", "{}") ",{\"manager\": \"x\"},7,null", NULL, NULL},
    {"{\"fieldsV1\": " REPLICAS "}", "unknown", NULL},
    {ENTRY("trimtab", "Update", REPLICAS) "," ENTRY("argocd-controller", "Apply", REPLICAS), "argocd-controller", NULL},
};

Test(kubernetes_owners, machines_that_put_fields_back_are_told_from_people_and_ourselves) {
    for (size_t i = 0; i < ARRAY_LEN(managed); i++) {
        char *text = mem_printf("{\"managedFields\": [%s]}", managed[i].entries);
        struct json *metadata = NULL;
        struct error err = {0};
        const char *replicas, *requests;
        cr_assert_eq(json_parse(bytes_of(text), &metadata, &err), ERR_NONE, "row %zu: %s", i, err.message);
        kubernetes_field_managers(metadata, &replicas, &requests);
        cr_expect(str_eq(replicas, managed[i].replicas), "row %zu: %s", i, replicas ? replicas : "none");
        cr_expect(str_eq(requests, managed[i].requests), "row %zu: %s", i, requests ? requests : "none");
        json_free(metadata);
        mem_free(text);
    }
}
