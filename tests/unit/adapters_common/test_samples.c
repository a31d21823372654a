/*
 * What two emulators and the cloud itself order, align and repeat differently comes out the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <math.h>

#include "adapters/common/samples.h"
#include "base/mem.h"

static const struct cloud_query query = {.from_ms = 1000, .to_ms = 5000, .step_ms = 1000};

Test(samples, sorts_aligns_and_drops_what_is_no_measurement) {
    struct cloud_sample samples[] = {
        {3999, 3}, {1000, 1}, {2001, NAN}, {2002, INFINITY}, {2003, -1}, {999, 9}, {5000, 9}, {4200, 9}, {2100, 0},
    };
    size_t count = samples_normalise(samples, ARRAY_LEN(samples), &query, SAMPLES_LAST, /* now_ms= */ 4100);
    cr_assert_eq(count, 3);
    cr_expect(samples[0].time_ms == 1000 && samples[0].value == 1);
    cr_expect(samples[1].time_ms == 2000 && samples[1].value == 0, "a measured zero stays");
    cr_expect(samples[2].time_ms == 3000 && samples[2].value == 3);
}

Test(samples, one_sample_a_period_and_the_last_stamped_stays) {
    struct cloud_sample samples[] = {{1900, 3}, {1100, 1}, {1900, 4}, {1200, 2}};
    cr_assert_eq(samples_normalise(samples, ARRAY_LEN(samples), &query, SAMPLES_LAST, 9000), 1);
    cr_expect(samples[0].time_ms == 1000 && samples[0].value == 4);
}

Test(samples, of_memory_the_greatest_of_a_period_stays) {
    struct cloud_sample samples[] = {{1900, 3}, {1100, 1}, {1200, 7}, {1950, 2}, {2100, 1}};
    cr_expect_eq(samples_rule_of(CLOUD_METRIC_MEMORY), SAMPLES_GREATEST);
    cr_expect_eq(samples_rule_of(CLOUD_METRIC_CPU), SAMPLES_LAST);
    cr_assert_eq(samples_normalise(samples, ARRAY_LEN(samples), &query, SAMPLES_GREATEST, 9000), 2);
    cr_expect(samples[0].time_ms == 1000 && samples[0].value == 7);
    cr_expect(samples[1].time_ms == 2000 && samples[1].value == 1);
}

Test(samples, nothing_stays_nothing) {
    cr_expect_eq(samples_normalise(NULL, 0, &query, SAMPLES_LAST, 9000), 0);
}
