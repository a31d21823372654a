/*
 * The bill from Cost Explorer: by day, service and region, as far back as it keeps days (14 months). It knows no
 * resources and no list prices; a request costs 0.01 USD, which is AWS's own price for asking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapters/aws/charges.h"
#include "base/json.h"
#include "base/str.h"
#include "base/timefmt.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct aws_service explorer = {"ce", "ce", ""};

struct explorer_state {
    struct aws_scope scope;
    const struct cloud_query *query;
    uint64_t skip_count; /* Rows of the present page that an earlier call has given. */
    struct cloud_charge *charges;
    size_t count;
    const char *cursor; /* Set: count_max rows have come. */
};

static void put_date(struct json_writer *w, const char *key, int64_t time_ms) {
    char text[TIME_TEXT_MAX];
    time_format(time_ms, text);
    text[sizeof("2026-11-24") - 1] = '\0';
    jw_put_string(w, key, text);
}

static void put_group(struct json_writer *w, const char *key) {
    jw_open(w, '{');
    jw_put_string(w, "Type", "DIMENSION");
    jw_put_string(w, "Key", key);
    jw_close(w, '}');
}

static void explorer_build(struct call *call) {
    const struct explorer_state *state = call->state;
    const struct cloud_query *query = state->query;
    call->label = "GetCostAndUsage";
    call->api = explorer.host;
    call->region = state->scope.region;
    aws_json_begin(aws_of(call), &call->exchange, &state->scope, "AWSInsightsIndexService.GetCostAndUsage");
    struct json_writer w = {.out = &call->exchange.body};
    jw_open(&w, '{');
    jw_key(&w, "TimePeriod");
    jw_open(&w, '{');
    put_date(&w, "Start", query->from_ms - query->from_ms % DAY_MS);
    put_date(&w, "End", query->to_ms + (DAY_MS - query->to_ms % DAY_MS) % DAY_MS);
    jw_close(&w, '}');
    jw_put_string(&w, "Granularity", "DAILY");
    jw_key(&w, "Metrics");
    jw_raw(&w, "[\"UnblendedCost\",\"AmortizedCost\"]");
    jw_key(&w, "GroupBy");
    jw_open(&w, '[');
    put_group(&w, "SERVICE");
    put_group(&w, "REGION");
    jw_close(&w, ']');
    if (call->page_token[0] != '\0')
        jw_put_string(&w, "NextPageToken", call->page_token);
    jw_close(&w, '}');
}

static bool read_day(const struct json *result, const char *path, int64_t *ret_ms) {
    const char *text = json_string(json_at(result, path), "");
    char full[TIME_TEXT_MAX];
    int size = snprintf(full, sizeof(full), "%s%s", text, strlen(text) == 10 ? "T00:00:00Z" : "");
    return size > 0 && (size_t)size < sizeof(full) && time_parse(full, ret_ms);
}

static const char *keep(struct call *call, const struct json *node) {
    const char *text = json_string(node, "");
    return text[0] != '\0' ? arena_strdup(call->outer->arena, text) : "";
}

/* Amounts stay as they are written. */
static struct cloud_charge read_group(struct call *call, const struct json *group) {
    const struct json *keys = json_get(group, "Keys"), *metrics = json_get(group, "Metrics");
    const char *region = json_string(json_array_at(keys, 1), "");
    bool has_region = !str_eq(region, "NoRegion") && !str_eq(region, "global");
    return (struct cloud_charge){
        .billing_account_id = "",
        .sub_account_id = "",
        .service_name = keep(call, json_array_at(keys, 0)),
        .service_category = "",
        .region_id = has_region ? keep(call, json_array_at(keys, 1)) : "",
        .resource_id = "",
        .resource_type = "",
        .sku_id = "",
        .charge_category = "",
        .charge_description = "",
        .pricing_category = "",
        .commitment_discount_id = "",
        .billing_currency = keep(call, json_at(metrics, "UnblendedCost.Unit")),
        .billed_cost = keep(call, json_at(metrics, "UnblendedCost.Amount")),
        .effective_cost = keep(call, json_at(metrics, "AmortizedCost.Amount")),
        .list_cost = "",
        .contracted_cost = "",
        .consumed_quantity = "",
        .consumed_unit = "",
    };
}

/* False: enough; the cursor says where. row: of this page. */
static bool take_group(struct call *call, const struct json *group, int64_t start_ms, int64_t end_ms, uint64_t row) {
    struct explorer_state *state = call->state;
    const struct cloud_query *query = state->query;
    if (row < state->skip_count || start_ms < query->from_ms || start_ms >= query->to_ms)
        return true;
    if (state->count == query->count_max) {
        state->cursor = arena_printf(call->outer->arena, "%llu#%s", (unsigned long long)row, call->page_token);
        return false;
    }
    state->charges = arena_push(call->outer->arena, state->charges, state->count, sizeof(*state->charges));
    struct cloud_charge *charge = &state->charges[state->count++];
    *charge = read_group(call, group);
    charge->charge_period_start_ms = start_ms;
    charge->charge_period_end_ms = end_ms;
    return true;
}

static void read_days(struct call *call, const struct json *days, struct error *err) {
    const struct explorer_state *state = call->state;
    uint64_t row = 0;
    for (size_t d = 0; d < json_array_count(days) && state->cursor == NULL; d++) {
        const struct json *day = json_array_at(days, d), *groups = json_get(day, "Groups");
        int64_t start_ms, end_ms;
        if (!read_day(day, "TimePeriod.Start", &start_ms) || !read_day(day, "TimePeriod.End", &end_ms)) {
            error_set(err, ERR_RETRYABLE, "a day of the reply has no period");
            return;
        }
        for (size_t g = 0; g < json_array_count(groups) && state->cursor == NULL; g++)
            take_group(call, json_array_at(groups, g), start_ms, end_ms, row++);
    }
}

static enum exchange_next explorer_read(struct call *call, struct error *err) {
    struct explorer_state *state = call->state;
    struct json *root = aws_json_reply(&call->exchange, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct json *days = json_get(root, "ResultsByTime");
    if (json_type(days) != JSON_ARRAY)
        error_set(err, ERR_RETRYABLE, "the reply holds no ResultsByTime");
    else
        read_days(call, days, err);
    const char *token = arena_strdup(&call->exchange.arena, json_string(json_get(root, "NextPageToken"), ""));
    json_free(root);
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    state->skip_count = 0;
    if (state->cursor == NULL && state->count == state->query->count_max && token[0] != '\0')
        state->cursor = arena_printf(call->outer->arena, "0#%s", token);
    if (state->cursor == NULL && call_page(call, token, err) == EXCHANGE_MORE)
        return EXCHANGE_MORE;
    struct adapter_reply *reply = &call->outer->reply;
    reply->as.charges = state->charges;
    reply->count = state->count;
    reply->cursor = state->cursor != NULL ? state->cursor : "";
    return EXCHANGE_DONE;
}

static const struct call_verb explorer_verb = {
    .name = "charges", .priority = GATE_INVENTORY, .build = explorer_build, .read = explorer_read};

void aws_charges_explorer(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &explorer_verb, sizeof(struct explorer_state));
    struct explorer_state *state = call->state;
    bool is_china = str_has_prefix(aws->region, "cn-");
    *state = (struct explorer_state){.scope = {&explorer, is_china ? "cn-northwest-1" : "us-east-1"}, .query = query};
    if (query->cursor != NULL && query->cursor[0] != '\0') {
        const char *token = aws_cursor_parse(query->cursor, &state->skip_count);
        if (token == NULL) {
            call_refuse(call, "aws: charges: not a cursor of Cost Explorer");
            return;
        }
        call->page_token = arena_strdup(&call->arena, token);
    }
    call_start(call);
}
