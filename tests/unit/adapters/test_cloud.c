/*
 * Names and orders of the cloud nouns, and the table of clouds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/adapter.h"
#include "base/mem.h"

Test(adapters_cloud, each_kind_is_parsed_from_its_own_name) {
    for (size_t i = 0; i < CLOUD_KIND_COUNT; i++) {
        enum cloud_kind kind = CLOUD_KIND_COUNT;
        cr_assert(cloud_kind_parse(cloud_kind_name((enum cloud_kind)i), &kind));
        cr_assert_eq((size_t)kind, i);
    }
}

Test(adapters_cloud, unknown_and_absent_names_are_no_kinds) {
    enum cloud_kind kind = CLOUD_BUCKET;
    cr_expect(!cloud_kind_parse("instance", &kind));
    cr_expect(!cloud_kind_parse("", &kind));
    cr_expect(!cloud_kind_parse(NULL, &kind));
    cr_expect_eq(kind, CLOUD_BUCKET);
}

Test(adapters_cloud, names_are_those_of_the_api) {
    cr_expect_str_eq(cloud_kind_name(CLOUD_INSTANCE_GROUP), "InstanceGroup");
    cr_expect_str_eq(cloud_state_name(CLOUD_RUNNING), "running");
    cr_expect_str_eq(cloud_state_name(CLOUD_STATE_UNKNOWN), "unknown");
    cr_expect_str_eq(cloud_metric_name(CLOUD_METRIC_CPU), "cpu");
    cr_expect_str_eq(cloud_verb_name(CLOUD_SCALE), "Scale");
}

Test(adapters_cloud, tags_are_found_by_key) {
    const struct cloud_tag tags[] = {{"app", "web"}, {"env", ""}, {"team", "checkout"}};
    for (size_t count = 0; count <= 3; count++) {
        struct cloud_resource resource = {.tags = tags, .tag_count = count};
        for (size_t i = 0; i < 3; i++) {
            const char *value = cloud_resource_tag(&resource, tags[i].key);
            cr_expect(i < count ? value == tags[i].value : value == NULL, "%s among %zu", tags[i].key, count);
        }
        cr_expect_null(cloud_resource_tag(&resource, "b"));
        cr_expect_null(cloud_resource_tag(&resource, "zone"));
    }
}

Test(adapters_cloud, resources_are_ordered_by_region_kind_and_id) {
    const struct cloud_resource sorted[] = {
        {.region = "a", .kind = CLOUD_INSTANCE, .id = "z"},
        {.region = "a", .kind = CLOUD_INSTANCE_GROUP, .id = "a"},
        {.region = "a", .kind = CLOUD_INSTANCE_GROUP, .id = "b"},
        {.region = "b", .kind = CLOUD_INSTANCE, .id = "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
            int order = cloud_resource_cmp(&sorted[i], &sorted[j]);
            cr_expect((order > 0) - (order < 0) == (i > j) - (i < j), "%zu and %zu", i, j);
        }
    }
}

Test(adapters_cloud, adapters_are_found_by_type) {
    for (size_t i = 0; adapter_all[i]; i++) {
        cr_expect_eq(adapter_find(adapter_all[i]->type), adapter_all[i]);
    }
    cr_expect_eq(adapter_find("simulated"), &adapter_simulated);
    cr_expect_null(adapter_find("no-such-cloud"));
    cr_expect_null(adapter_find(NULL));
}

Test(cloud, a_price_of_more_than_thirty_days_or_of_no_date_is_stale) {
    const int64_t day_ms = INT64_C(24) * 3600 * 1000, now_ms = 1000 * day_ms;
    struct cloud_offer offer = {.as_of_ms = now_ms - 30 * day_ms};
    cr_expect(!cloud_offer_is_stale(&offer, now_ms));
    offer.as_of_ms--;
    cr_expect(cloud_offer_is_stale(&offer, now_ms));
    offer.as_of_ms = 0;
    cr_expect(cloud_offer_is_stale(&offer, now_ms));
    offer.as_of_ms = now_ms + day_ms;
    cr_expect(!cloud_offer_is_stale(&offer, now_ms), "a clock that is behind");
}
