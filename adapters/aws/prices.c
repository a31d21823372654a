/*
 * prices: first what machines cost on demand, by the Pricing API; then what spare ones cost now, by EC2's spot history;
 * and from the catalogue whatever these do not tell. The Pricing API stands in few regions, is not in every partition
 * and often not among a role's permissions: its failure fails nothing, but the offers then carry the catalogue's name
 * and date.
 *
 *     PRODUCTS --(each type asked for, or the region; pages)--> SPOT --(pages)--> the offers
 *         '------------- failed ------------------------------^  '--- failed ----^
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "adapters/aws/pricing.h"
#include "adapters/common/catalogue.h"
#include "base/str.h"
#include "base/timefmt.h"

#define PRODUCTS_PAGE_SIZE 100 /* The API's limit: GetProducts, MaxResults. */
#define SPOT_PAGE_SIZE 1000
#define CONNECT_TIMEOUT_MS 5000 /* Where only the region's own endpoints can be reached, this must not take long. */
/* With more types the whole region takes fewer requests: it has some ten pages. */
#define TYPES_ONE_BY_ONE_MAX 10
#define SPOT_TYPES_MAX 100
/* EC2 keeps 90 days; what is older is no history of its. */
#define SPOT_AGE_MAX_MS (INT64_C(90) * 24 * 3600 * 1000)

static const struct aws_service pricing = {"api.pricing", "pricing", ""};

struct spot { /* A price in one zone. */
    struct cloud_offer *offer;
    const char *zone;
    int64_t time_ms;
    money_micros price;
};

struct prices_state {
    struct aws_scope scope;
    const struct cloud_query *query;
    bool is_spot; /* The phase. */
    size_t type_at;
    int64_t now_ms;
    struct cloud_offer *offers;
    size_t count;
    struct spot *spots;
    size_t spot_count;
};

/* The nearest region that has the API; NULL: none of the partition. */
static const char *pricing_region(const char *region) {
    static const struct {
        const char *prefix, *region;
    } rows[] = {
        {"us-gov-", NULL},       {"us-iso", NULL},      {"eusc-", NULL},         {"cn-", "cn-northwest-1"},
        {"eu-", "eu-central-1"}, {"ap-", "ap-south-1"}, {"me-", "eu-central-1"}, {"", "us-east-1"},
    };
    size_t i = 0;
    while (!str_has_prefix(region, rows[i].prefix))
        i++;
    return rows[i].region;
}

static bool is_one_by_one(const struct cloud_query *query) {
    return query->types != NULL && query->type_count <= TYPES_ONE_BY_ONE_MAX;
}

static void put_filter(struct json_writer *w, const char *field, const char *value) {
    jw_open(w, '{');
    jw_put_string(w, "Type", "TERM_MATCH");
    jw_put_string(w, "Field", field);
    jw_put_string(w, "Value", value);
    jw_close(w, '}');
}

static void products_build(struct call *call) {
    struct prices_state *state = call->state;
    const struct cloud_query *query = state->query;
    call->label = "GetProducts";
    call->api = pricing.signing;
    call->region = pricing_region(query->region);
    state->scope = (struct aws_scope){&pricing, call->region};
    aws_json_begin(aws_of(call), &call->exchange, &state->scope, "AWSPriceListService.GetProducts");
    call->exchange.request.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    struct json_writer w = {.out = &call->exchange.body};
    jw_open(&w, '{');
    jw_put_string(&w, "ServiceCode", "AmazonEC2");
    jw_put_string(&w, "FormatVersion", "aws_v1");
    jw_put_int(&w, "MaxResults", PRODUCTS_PAGE_SIZE);
    if (call->page_token[0] != '\0')
        jw_put_string(&w, "NextToken", call->page_token);
    jw_key(&w, "Filters");
    jw_open(&w, '[');
    put_filter(&w, "regionCode", query->region);
    put_filter(&w, "operatingSystem", "Linux");
    put_filter(&w, "tenancy", "Shared");
    put_filter(&w, "preInstalledSw", "NA");
    put_filter(&w, "capacitystatus", "Used");
    if (is_one_by_one(query))
        put_filter(&w, "instanceType", query->types[state->type_at]);
    jw_close(&w, ']');
    jw_close(&w, '}');
}

static void spot_build(struct call *call) {
    struct prices_state *state = call->state;
    struct exchange *exchange = &call->exchange;
    char now[TIME_TEXT_MAX];
    state->scope = (struct aws_scope){&aws_ec2, state->query->region};
    aws_call_begin(call, &state->scope, "DescribeSpotPriceHistory");
    time_format(state->now_ms, now);
    aws_query_put(exchange, "StartTime", now);
    aws_query_put(exchange, "ProductDescription.1", "Linux/UNIX");
    aws_query_put_int(exchange, "MaxResults", SPOT_PAGE_SIZE);
    if (call->page_token[0] != '\0')
        aws_query_put(exchange, "NextToken", call->page_token);
    for (size_t i = 0; state->count <= SPOT_TYPES_MAX && i < state->count; i++)
        aws_query_put(exchange, arena_printf(&exchange->arena, "InstanceType.%zu", i + 1), state->offers[i].type);
}

static void prices_build(struct call *call) {
    const struct prices_state *state = call->state;
    if (state->is_spot)
        spot_build(call);
    else
        products_build(call);
}

static struct cloud_offer *push_offer(struct call *call) {
    struct prices_state *state = call->state;
    state->offers = arena_push(call->outer->arena, state->offers, state->count, sizeof(*state->offers));
    struct cloud_offer *offer = &state->offers[state->count++];
    *offer = (struct cloud_offer){0};
    return offer;
}

static int offer_cmp(const void *a, const void *b) {
    return strcmp(((const struct cloud_offer *)a)->type, ((const struct cloud_offer *)b)->type);
}

static struct cloud_offer *find_offer(const struct prices_state *state, const char *type) {
    const struct cloud_offer key = {.type = type};
    if (state->count == 0)
        return NULL;
    return bsearch(&key, state->offers, state->count, sizeof(key), offer_cmp);
}

/* Of products of one type the first that has a price counts. */
static void sort_offers(struct prices_state *state) {
    size_t kept = 0;
    if (state->count > 1)
        qsort(state->offers, state->count, sizeof(*state->offers), offer_cmp);
    for (size_t i = 0; i < state->count; i++) {
        struct cloud_offer *last = kept > 0 ? &state->offers[kept - 1] : NULL;
        if (last == NULL || !str_eq(last->type, state->offers[i].type))
            state->offers[kept++] = state->offers[i];
        else if (last->price_hourly <= 0 && state->offers[i].price_hourly > 0)
            *last = state->offers[i];
    }
    state->count = kept;
}

/* Keeps the types that were asked for; needed where the whole region was read. */
static void select_types(struct prices_state *state) {
    const struct cloud_query *query = state->query;
    struct map wanted = {0};
    size_t kept = 0;
    for (size_t i = 0; i < query->type_count; i++)
        map_put(&wanted, query->types[i], state);
    for (size_t i = 0; i < state->count; i++) {
        if (map_get(&wanted, state->offers[i].type) != NULL)
            state->offers[kept++] = state->offers[i];
    }
    state->count = kept;
    map_release(&wanted);
}

/* Sizes that the API left out are those of the same type anywhere. */
static void fill_size(const struct catalogue *catalogue, struct cloud_offer *offer) {
    struct cloud_offer known;
    if (!catalogue_find(catalogue, "aws", "", offer->type, &known))
        return;
    if (offer->vcpu_milli == 0)
        offer->vcpu_milli = known.vcpu_milli;
    if (offer->memory_mib == 0)
        offer->memory_mib = known.memory_mib;
    if (offer->architecture[0] == '\0')
        offer->architecture = known.architecture;
}

/* Types without a price of the API come from the catalogue whole, with its source and date. */
static void fill_from_catalogue(struct call *call) {
    struct prices_state *state = call->state;
    const struct catalogue *catalogue = aws_of(call)->catalogue;
    const struct cloud_query *query = state->query;
    if (catalogue == NULL)
        return;
    size_t known = state->count, row_count = query->type_count;
    const struct cloud_offer *rows = NULL;
    if (query->types == NULL)
        row_count = catalogue_region(catalogue, "aws", query->region, call->outer->arena, &rows);
    for (size_t i = 0; i < row_count; i++) {
        struct cloud_offer row;
        if (query->types == NULL)
            row = rows[i];
        else if (!catalogue_find(catalogue, "aws", query->region, query->types[i], &row))
            continue;
        struct prices_state before = {.offers = state->offers, .count = known};
        struct cloud_offer *offer = find_offer(&before, row.type);
        if (offer == NULL)
            *push_offer(call) = row;
        else if (offer->price_hourly < 0)
            *offer = row;
    }
    for (size_t i = 0; i < known; i++)
        fill_size(catalogue, &state->offers[i]);
    sort_offers(state);
}

static enum exchange_next finish(struct call *call) {
    const struct prices_state *state = call->state;
    call->outer->reply.as.offers = state->offers;
    call->outer->reply.count = state->count;
    return EXCHANGE_DONE;
}

/* What is known without the spot prices is settled; they are next. */
static enum exchange_next products_end(struct call *call) {
    struct prices_state *state = call->state;
    sort_offers(state);
    if (state->query->types != NULL)
        select_types(state);
    fill_from_catalogue(call);
    state->is_spot = true;
    call_pages_restart(call);
    return state->count > 0 ? EXCHANGE_MORE : finish(call);
}

static enum exchange_next products_read(struct call *call, struct error *err) {
    struct prices_state *state = call->state;
    struct json *root = aws_json_reply(&call->exchange, err);
    if (root == NULL)
        return EXCHANGE_DONE;
    const struct json *list = json_get(root, "PriceList");
    for (size_t i = 0; i < json_array_count(list); i++) {
        struct cloud_offer offer;
        const char *text = json_string(json_array_at(list, i), "");
        if (!aws_pricing_read(bytes_of(text), call->outer->arena, &offer))
            continue;
        offer.region = state->query->region;
        offer.as_of_ms = state->now_ms;
        *push_offer(call) = offer;
    }
    if (json_type(list) != JSON_ARRAY)
        error_set(err, ERR_RETRYABLE, "the reply holds no PriceList");
    const char *token = arena_strdup(&call->exchange.arena, json_string(json_get(root, "NextToken"), ""));
    json_free(root);
    if (err->class != ERR_NONE || call_page(call, token, err) == EXCHANGE_MORE || err->class != ERR_NONE)
        return err->class == ERR_NONE ? EXCHANGE_MORE : EXCHANGE_DONE;
    call_pages_restart(call);
    if (is_one_by_one(state->query) && ++state->type_at < state->query->type_count)
        return EXCHANGE_MORE;
    return products_end(call);
}

static int spot_cmp(const void *a, const void *b) {
    const struct spot *x = a, *y = b;
    if (x->offer != y->offer)
        return x->offer < y->offer ? -1 : 1;
    int order = strcmp(x->zone, y->zone);
    return order != 0 ? order : (x->time_ms < y->time_ms) - (x->time_ms > y->time_ms);
}

/* The latest of each zone, and of these the cheapest. */
static void take_spots(struct prices_state *state) {
    if (state->spot_count > 1)
        qsort(state->spots, state->spot_count, sizeof(*state->spots), spot_cmp);
    for (size_t i = 0; i < state->count; i++)
        state->offers[i].price_spot_hourly = -1;
    for (size_t i = 0; i < state->spot_count; i++) {
        const struct spot *spot = &state->spots[i], *before = i > 0 ? spot - 1 : NULL;
        if (before != NULL && before->offer == spot->offer && str_eq(before->zone, spot->zone))
            continue;
        money_micros *price = &spot->offer->price_spot_hourly;
        if (*price < 0 || spot->price < *price)
            *price = spot->price;
    }
}

static enum exchange_next spot_read(struct call *call, struct error *err) {
    struct prices_state *state = call->state;
    const struct xml_node *root = aws_query_reply(&call->exchange, call->label, err);
    const struct xml_node *set = xml_at(root, "spotPriceHistorySet");
    for (const struct xml_node *item = xml_first(set, "item"); item != NULL; item = xml_next(item, "item")) {
        struct spot spot = {.offer = find_offer(state, xml_text(item, "instanceType"))};
        if (spot.offer == NULL || !time_parse(xml_text(item, "timestamp"), &spot.time_ms) ||
            state->now_ms - spot.time_ms > SPOT_AGE_MAX_MS ||
            !aws_pricing_decimal(xml_text(item, "spotPrice"), &spot.price))
            continue;
        spot.zone = arena_strdup(&call->arena, xml_text(item, "availabilityZone"));
        state->spots = arena_push(&call->arena, state->spots, state->spot_count, sizeof(spot));
        state->spots[state->spot_count++] = spot;
    }
    if (root != NULL && set == NULL)
        error_set(err, ERR_RETRYABLE, "the reply holds no spotPriceHistorySet");
    if (err->class != ERR_NONE)
        return EXCHANGE_DONE;
    if (call_page(call, xml_text(root, "nextToken"), err) == EXCHANGE_MORE)
        return EXCHANGE_MORE;
    take_spots(state);
    return finish(call);
}

static enum exchange_next prices_read(struct call *call, struct error *err) {
    const struct prices_state *state = call->state;
    return state->is_spot ? spot_read(call, err) : products_read(call, err);
}

/* Half a list of spot prices is none: the cheapest zone may be in the other half. */
static enum exchange_next prices_failed(struct call *call, struct error *err) {
    struct prices_state *state = call->state;
    bool can_do_without = state->is_spot || aws_of(call)->catalogue != NULL;
    if (!can_do_without)
        return EXCHANGE_DONE;
    *err = (struct error){0};
    return state->is_spot ? finish(call) : products_end(call);
}

static const struct call_verb prices_verb = {
    .name = "prices", .priority = GATE_INVENTORY, .build = prices_build, .read = prices_read, .failed = prices_failed};

void aws_prices(struct aws *aws, struct adapter_call *outer, const struct cloud_query *query) {
    struct call *call = call_new(&aws->host, outer, &prices_verb, sizeof(struct prices_state));
    struct prices_state *state = call->state;
    state->query = query;
    state->now_ms = call_host_now_ms(&aws->host);
    if (!aws_region_is_valid(query->region)) {
        call_refuse(call, "aws: not a region: \"%s\"", query->region);
        return;
    }
    if (query->types != NULL && query->type_count == 0) {
        call_end(call, NULL);
        return;
    }
    if (pricing_region(query->region) == NULL && products_end(call) == EXCHANGE_DONE)
        call_end(call, NULL);
    else
        call_start(call);
}
