/*
 * Tables of `get` and both forms of `inventory`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/get.h"
#include "cli/inventory.h"
#include "cli/table.h"

static struct buf out;
static struct error err;

static void teardown(void) {
    buf_release(&out);
}
TestSuite(cli_print, .fini = teardown);

Test(cli_print, tables_are_aligned_by_characters_and_carry_no_control_codes) {
    struct cli_table table = {.column_count = 2};
    const char *const cells[] = {"NAME", "X", "größe", "1", "a\x1b[31m\nb", NULL};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        cli_table_add(&table, cells[i]);
    cli_table_print(&table, &out);
    cr_assert_str_eq(buf_text(&out), "NAME       X\n"
                                     "größe      1\n"
                                     "a [31m b\n");
    cli_table_release(&table);
}

Test(cli_print, get_shows_the_columns_of_the_crd) {
    struct json *json;
    cr_assert_eq(
        json_parse(bytes_of("{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"creationTimestamp\":"
                            "\"2026-01-01T00:00:00Z\"},\"spec\":{\"mode\":\"Enforce\"},\"status\":{\"desired\":3,"
                            "\"hourlyCost\":\"1.50\",\"conditions\":[{\"type\":\"Stalled\",\"status\":\"False\"},"
                            "{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"InTrim\"}]}}"),
                   &json, &err),
        ERR_NONE, "%s", err.message);
    const struct json *const objects[] = {json};
    get_print_table(OBJECT_POLICY, objects, 1, true, false, INT64_C(1767225600000) + 5400000, &out);
    cr_assert_str_eq(buf_text(&out),
                     "NAMESPACE   NAME   MODE      READY   REASON   DESIRED   ACTUAL   COST/H   SAVING   AGE\n"
                     "a           web    Enforce   True    InTrim   3                  1.50              90m\n");
    json_free(json);
}

Test(cli_print, inventory_is_sorted_and_says_null_for_what_is_not_known) {
    static const struct cloud_tag tags[] = {{"app", "web"}, {"team", "x"}};
    static const struct cloud_resource group = {.kind = CLOUD_INSTANCE_GROUP,
                                                .state = CLOUD_RUNNING,
                                                .region = "us-east-1",
                                                .zone = "",
                                                .id = "web",
                                                .name = "web",
                                                .type = "m5.large",
                                                .count = 3,
                                                .vcpu_milli = 2000,
                                                .memory_mib = 8192,
                                                .created_at_ms = INT64_C(1767225600000),
                                                .as_of_ms = INT64_C(1767225601000),
                                                .parent = "stack",
                                                .is_spot = true,
                                                .tags = tags,
                                                .tag_count = 2},
                                       pod = {.kind = CLOUD_WORKLOAD,
                                              .state = CLOUD_RUNNING,
                                              .region = "us-east-1",
                                              .id = "p",
                                              .count = 1,
                                              .vcpu_milli = 500},
                                       bucket = {.kind = CLOUD_BUCKET,
                                                 .state = CLOUD_AVAILABLE,
                                                 .region = "eu-west-1",
                                                 .id = "b",
                                                 .count = 1};
    struct inventory_row rows[] = {{"p/z", &group}, {"p/a", &pod}, {"p/a", &bucket}};
    struct inventory_view view = {.as_of_ms = INT64_C(1767225600000), .rows = rows, .count = 3};
    inventory_sort(&view);
    inventory_print_json(&view, &out, NULL);
    cr_assert_str_eq(
        buf_text(&out),
        "{\"asOf\":\"2026-01-01T00:00:00Z\",\"truncated\":false,\"resources\":["
        "{\"provider\":\"p/a\",\"region\":\"eu-west-1\",\"zone\":\"\",\"kind\":\"Bucket\",\"id\":\"b\",\"name\":\"\","
        "\"type\":\"\",\"count\":1,\"state\":\"available\",\"tags\":{},\"vcpu\":null,\"memoryMiB\":null,\"createdAt\":"
        "null,\"stateSince\":null,\"parent\":null,\"spot\":false,\"asOf\":null},"
        "{\"provider\":\"p/a\",\"region\":\"us-east-1\",\"zone\":\"\",\"kind\":\"Workload\",\"id\":\"p\",\"name\":\"\","
        "\"type\":\"\",\"count\":1,\"state\":\"running\",\"tags\":{},\"vcpu\":0.5,\"memoryMiB\":null,\"createdAt\":"
        "null,\"stateSince\":null,\"parent\":null,\"spot\":false,\"asOf\":null},"
        "{\"provider\":\"p/z\",\"region\":\"us-east-1\",\"zone\":\"\",\"kind\":\"InstanceGroup\",\"id\":\"web\","
        "\"name\":\"web\",\"type\":\"m5.large\",\"count\":3,\"state\":\"running\",\"tags\":{\"app\":\"web\",\"team\":"
        "\"x\"},\"vcpu\":2,\"memoryMiB\":8192,\"createdAt\":\"2026-01-01T00:00:00Z\",\"stateSince\":null,\"parent\":"
        "\"stack\",\"spot\":"
        "true,"
        "\"asOf\":\"2026-01-01T00:00:01Z\"}]}\n");
    FILE *stream = tmpfile();
    cr_assert_not_null(stream);
    struct buf pieces = {0};
    struct inventory_row many[1000];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = rows[0];
    view.rows = many;
    view.count = ARRAY_LEN(many);
    buf_clear(&out);
    inventory_print_json(&view, &out, NULL);
    inventory_print_json(&view, &pieces, stream);
    cr_expect_lt(pieces.size, out.size / 2, "most went to the stream");
    fwrite(pieces.data, 1, pieces.size, stream);
    buf_clear(&pieces);
    buf_reserve(&pieces, out.size);
    rewind(stream);
    cr_expect_eq(fread(pieces.data, 1, out.size, stream), out.size);
    cr_expect_eq(memcmp(pieces.data, out.data, out.size), 0);
    buf_release(&pieces);
    fclose(stream);
    view.rows = rows;
    view.count = 3;
    buf_clear(&out);
    inventory_print_text(&view, &out);
    cr_assert(buf_text(&out)[0] == 'P' && buf_text(&out)[out.size - 1] == '\n');
}
