/*
 * The verb limits: the quotas of EC2 in a region, from Service Quotas. How much of them is used is not told there.
 *
 * The quotas of running machines are by family, which only their names tell: "Running On-Demand G and VT instances".
 * A family is a letter and the generation's digit, so that Standard's "d" is not DL's "dl".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define SERVICE_CODE "ec2"
#define PAGE_SIZE 100 /* The API's limit. */
#define LIMITS_MAX 5000

/* Patterns know no digits: one for each generation. */
#define GENERATIONS(letter)                                                                                            \
    letter "1*," letter "2*," letter "3*," letter "4*," letter "5*," letter "6*," letter "7*," letter "8*," letter "9" \
           "*"

static const struct aws_service quotas = {"servicequotas", "servicequotas", "ServiceQuotasV20190624"};

/* "Amazon EC2 service quotas" and "Spot Instance quotas" of the EC2 User Guide. */
static const struct {
    const char *families, *types;
} families[] = {
    {"Standard (A, C, D, H, I, M, R, T, Z)",
     GENERATIONS("a") "," GENERATIONS("c") "," GENERATIONS("d") "," GENERATIONS("h") "," GENERATIONS(
         "i") ",im*,is*," GENERATIONS("m") "," GENERATIONS("r") "," GENERATIONS("t") "," GENERATIONS("z")},
    {"DL", "dl*"},
    {"F", GENERATIONS("f")},
    {"G and VT", GENERATIONS("g") ",gr*,vt*"},
    {"High Memory", "u-*," GENERATIONS("u")},
    {"HPC", "hpc*"},
    {"Inf", "inf*"},
    {"P", GENERATIONS("p")},
    {"P4, P3 and P2", "p2*,p3*,p4*"},
    {"P5", "p5*"},
    {"Trn", "trn*"},
    {"X", GENERATIONS("x")},
};

struct limits_state {
    struct aws_scope scope; /* First: the signature finds it there. */
    struct cloud_limit *limits;
    size_t count;
};

static void limits_build(struct call *call) {
    struct limits_state *state = call->state;
    struct exchange *exchange = &call->exchange;
    call->label = "ListServiceQuotas";
    call->api = state->scope.service->host;
    call->region = state->scope.region;
    aws_json_begin(aws_of(call), exchange, &state->scope,
                   arena_printf(&exchange->arena, "%s.%s", state->scope.service->version, call->label));
    struct json_writer w = {.out = &exchange->body};
    jw_open(&w, '{');
    jw_put_string(&w, "ServiceCode", SERVICE_CODE);
    jw_put_int(&w, "MaxResults", PAGE_SIZE);
    if (call->page_token[0] != '\0')
        jw_put_string(&w, "NextToken", call->page_token);
    jw_close(&w, '}');
}

/* NULL: a quota of something else. */
static const char *types_between(const char *name, const char *before, const char *behind) {
    size_t size = strlen(name), before_size = strlen(before), behind_size = strlen(behind);
    if (!str_has_prefix(name, before) || !str_has_suffix(name, behind) || size < before_size + behind_size)
        return NULL;
    size_t middle = size - before_size - behind_size;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (strlen(families[i].families) == middle && strncmp(families[i].families, name + before_size, middle) == 0)
            return families[i].types;
    }
    return NULL;
}

static void read_quota(struct call *call, const struct json *from) {
    struct limits_state *state = call->state;
    struct arena *arena = call->outer->arena;
    const char *id = json_string(json_get(from, "QuotaCode"), "");
    const char *name = json_string(json_get(from, "QuotaName"), "");
    const char *unit = json_string(json_get(from, "Unit"), "None");
    const char *on_demand = types_between(name, "Running On-Demand ", " instances");
    const char *spot = types_between(name, "All ", " Spot Instance Requests");
    if (id[0] == '\0' || json_type(json_get(from, "Value")) == JSON_NULL)
        return;
    state->limits = arena_push(arena, state->limits, state->count, sizeof(*state->limits));
    struct cloud_limit *to = &state->limits[state->count++];
    *to = (struct cloud_limit){.region = arena_strdup(arena, state->scope.region),
                               .id = arena_strdup(arena, id),
                               .name = arena_strdup(arena, name),
                               .types = "",
                               .value = json_double(json_get(from, "Value"), 0),
                               .used = -1};
    if (on_demand != NULL || spot != NULL) {
        /* Of another unit, so that nobody takes the one quota for the other. */
        to->unit = on_demand != NULL ? "vCPU" : "spot vCPU";
        to->types = on_demand != NULL ? on_demand : spot;
    } else {
        to->unit = str_eq(unit, "None") ? "count" : arena_strdup(arena, unit);
    }
}

static enum exchange_next limits_read(struct call *call, struct error *err) {
    struct limits_state *state = call->state;
    struct json *root = aws_json_reply(&call->exchange, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct json *list = json_get(root, "Quotas");
    if (json_type(list) != JSON_ARRAY)
        error_set(err, ERR_RETRYABLE, "the reply holds no Quotas");
    for (size_t i = 0; i < json_array_count(list) && state->count < LIMITS_MAX; i++)
        read_quota(call, json_array_at(list, i));
    enum exchange_next next = EXCHANGE_DONE;
    if (err->class == ERR_NONE && state->count < LIMITS_MAX)
        next = call_page(call, json_string(json_get(root, "NextToken"), ""), err);
    json_free(root);
    call->outer->reply.as.limits = state->limits;
    call->outer->reply.count = state->count;
    call->outer->reply.truncated = state->count == LIMITS_MAX;
    return next;
}

static const struct call_verb limits_verb = {
    .name = "limits", .priority = GATE_INVENTORY, .build = limits_build, .read = limits_read};

void aws_limits(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &limits_verb, sizeof(struct limits_state));
    struct limits_state *state = call->state;
    state->scope = (struct aws_scope){&quotas, query->region};
    if (!aws_region_is_valid(query->region))
        call_refuse(call, "aws: not a region: \"%s\"", query->region);
    else
        call_start(call);
}
