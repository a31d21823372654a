/*
 * See whatif.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/whatif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

#define TOLD_MAX 12 /* Of what there is. */

/* ---- options ---- */

/* "region=us-east-1,type=m5.*"; with is_bare also a glob alone, of a provider. text is taken apart. */
static bool offers_parse(char *text, bool is_bare, struct headroom_closure *ret) {
    if (is_bare && !strchr(text, '=') && !strchr(text, ',')) {
        ret->provider = text;
        return *text != '\0';
    }
    for (char *rest = text, *term; (term = strsep(&rest, ","));) {
        char *value = strchr(term, '=');
        if (!value || !value[1])
            return false;
        *value++ = '\0';
        const char **field = str_eq(term, "provider") ? &ret->provider
                             : str_eq(term, "region") ? &ret->region
                             : str_eq(term, "type")   ? &ret->type
                                                      : NULL;
        if (!field || *field)
            return false;
        *field = value;
    }
    return true;
}

/* "LEFT=FACTOR": the last '=' is it. False: the factor is not one, or is out of range. */
static bool factor_parse(char *text, bool may_be_zero, struct whatif_factor *ret) {
    char *value = strrchr(text, '=');
    if (!value || !str_to_double(value + 1, &ret->factor) || ret->factor < 0 || ret->factor > WHATIF_FACTOR_MAX ||
        (!may_be_zero && !(ret->factor > 0)))
        return false;
    *value = '\0';
    return true;
}

static int closures_parse(struct cli_whatif *it, const struct cli_syntax *syntax, struct arena *arena) {
    struct headroom_closure *closures = arena_alloc_array(arena, it->without.count + 1, sizeof(*closures));
    for (size_t i = 0; i < it->without.count; i++) {
        closures[i].text = it->without.items[i];
        if (!offers_parse(arena_strdup(arena, it->without.items[i]), false, &closures[i]))
            return cli_usage_error(syntax,
                                   "--without: \"%s\" is not region=GLOB, provider=GLOB or type=GLOB, or these joined "
                                   "by commas, each once",
                                   it->without.items[i]);
    }
    it->whatif.closures = closures;
    it->whatif.closure_count = it->without.count;
    return CLI_GO_ON;
}

static int prices_parse(struct cli_whatif *it, const struct cli_syntax *syntax, struct arena *arena) {
    struct whatif_factor *prices = arena_alloc_array(arena, it->price.count + 1, sizeof(*prices));
    for (size_t i = 0; i < it->price.count; i++) {
        char *text = arena_strdup(arena, it->price.items[i]);
        prices[i].text = it->price.items[i];
        if (!factor_parse(text, false, &prices[i]))
            return cli_usage_error(syntax, "--price: \"%s\" does not end in =FACTOR, a number above 0, at most %.0f",
                                   it->price.items[i], WHATIF_FACTOR_MAX);
        if (!offers_parse(text, true, &prices[i].offers))
            return cli_usage_error(syntax,
                                   "--price: \"%s\" does not say of what: a Provider, or region=GLOB, provider=GLOB, "
                                   "type=GLOB joined by commas, each once",
                                   it->price.items[i]);
    }
    it->whatif.prices = prices;
    it->whatif.price_count = it->price.count;
    return CLI_GO_ON;
}

static int demands_parse(struct cli_whatif *it, const struct cli_syntax *syntax, struct arena *arena) {
    struct whatif_factor *demands = arena_alloc_array(arena, it->demand.count + 1, sizeof(*demands));
    for (size_t i = 0; i < it->demand.count; i++) {
        char *text = arena_strdup(arena, it->demand.items[i]);
        demands[i].text = it->demand.items[i];
        if (!factor_parse(text, true, &demands[i]) || !*text)
            return cli_usage_error(syntax,
                                   "--demand: \"%s\" is not NAME=FACTOR: a policy or a resource, and a number from 0 "
                                   "to %.0f",
                                   it->demand.items[i], WHATIF_FACTOR_MAX);
        demands[i].pattern = text;
    }
    it->whatif.demands = demands;
    it->whatif.demand_count = it->demand.count;
    return CLI_GO_ON;
}

int cli_whatif_parse(struct cli_whatif *it, const struct cli_syntax *syntax, struct arena *arena) {
    int code = closures_parse(it, syntax, arena);
    if (code == CLI_GO_ON)
        code = prices_parse(it, syntax, arena);
    if (code == CLI_GO_ON)
        code = demands_parse(it, syntax, arena);
    return code;
}

/* ---- what matches nothing ---- */

struct names { /* Told sorted and once each. */
    const char **items;
    size_t count;
    struct arena arena;
};

static void names_add(struct names *names, const char *text) {
    names->items = arena_push(&names->arena, names->items, names->count, sizeof(*names->items));
    names->items[names->count++] = text;
}

static int name_cmp(const void *a, const void *b) {
    return str_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* "; the regions are eu-west-1, us-east-1 and 3 more"; empties names. */
static void names_tell(struct names *names, const char *what) {
    size_t count = 0;
    if (names->count > 0)
        qsort(names->items, names->count, sizeof(*names->items), name_cmp);
    for (size_t i = 0; i < names->count; i++)
        if (count == 0 || !str_eq(names->items[count - 1], names->items[i]))
            names->items[count++] = names->items[i];
    fprintf(stderr, "; the %s: ", what);
    for (size_t i = 0; i < count && i < TOLD_MAX; i++)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", names->items[i]);
    if (count == 0)
        fputs("none", stderr);
    if (count > TOLD_MAX)
        fprintf(stderr, " and %zu more", count - TOLD_MAX);
    arena_release(&names->arena);
    *names = (struct names){0};
}

static const char *offer_field(const char *key, const char *provider, const char *region, const char *type) {
    return *key == 'p' ? provider : *key == 'r' ? region : type;
}

static void tell_field(const char *key, const char *plural, const struct cli_whatif_world *worlds, size_t count) {
    struct names names = {0};
    for (size_t w = 0; w < count; w++) {
        const struct snapshot *snapshot = worlds[w].snapshot;
        for (size_t i = 0; i < snapshot->resource_count; i++) {
            const struct snapshot_resource *r = &snapshot->resources[i];
            names_add(&names, offer_field(key, r->provider, r->resource.region, r->resource.type));
        }
        for (size_t i = 0; i < snapshot->offer_count; i++) {
            const struct snapshot_offer *offer = &snapshot->offers[i];
            names_add(&names, offer_field(key, offer->provider, offer->offer.region, offer->offer.type));
        }
    }
    names_tell(&names, plural);
}

static void tell_offers(const struct headroom_closure *offers, const struct cli_whatif_world *worlds, size_t count) {
    if (offers->provider)
        tell_field("provider", "providers", worlds, count);
    if (offers->region)
        tell_field("region", "regions", worlds, count);
    if (offers->type)
        tell_field("type", "types", worlds, count);
}

static void tell_resources(const struct cli_whatif_world *worlds, size_t count) {
    struct names policies = {0}, resources = {0};
    for (size_t w = 0; w < count; w++) {
        names_add(&policies, worlds[w].policy);
        for (size_t i = 0; i < worlds[w].snapshot->resource_count; i++) {
            const struct snapshot_resource *r = &worlds[w].snapshot->resources[i];
            names_add(&resources,
                      arena_printf(&resources.arena, "%s/%s/%s", r->provider, r->resource.region, r->resource.id));
        }
    }
    names_tell(&policies, "policies");
    names_tell(&resources, "resources");
}

bool cli_whatif_check(const struct cli_whatif *it, const struct cli_whatif_world *worlds, size_t count) {
    const struct whatif *whatif = &it->whatif;
    size_t *hits = mem_alloc_array(whatif_count(whatif) + 1, sizeof(*hits)), at = 0;
    bool is_good = true;
    for (size_t w = 0; w < count; w++)
        whatif_hits(whatif, worlds[w].policy, worlds[w].snapshot, hits);
    for (; is_good && at < whatif_count(whatif); at++)
        is_good = hits[at] > 0;
    mem_free(hits);
    if (is_good)
        return true;
    size_t i = at - 1;
    bool is_without = i < whatif->closure_count, is_price = i - whatif->closure_count < whatif->price_count;
    const struct whatif_factor *factor = is_price ? &whatif->prices[i - whatif->closure_count]
                                                  : &whatif->demands[i - whatif->closure_count - whatif->price_count];
    fprintf(stderr, "trimtab: --%s %s matches nothing that is planned",
            is_without ? "without"
            : is_price ? "price"
                       : "demand",
            is_without ? whatif->closures[i].text : factor->text);
    if (is_without)
        tell_offers(&whatif->closures[i], worlds, count);
    else if (is_price)
        tell_offers(&factor->offers, worlds, count);
    else
        tell_resources(worlds, count);
    fputc('\n', stderr);
    return false;
}

/* ---- output ---- */

static void text_list(const char *what, const struct cli_list *list, const char **separator, struct buf *out) {
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(out, "%s%s %s", *separator, what, list->items[i]);
        *separator = ", ";
    }
}

void cli_whatif_print_text(const struct cli_whatif *it, struct buf *out) {
    const char *separator = " ";
    buf_puts(out, "@@ what if");
    text_list("without", &it->without, &separator, out);
    text_list("price", &it->price, &separator, out);
    text_list("demand", &it->demand, &separator, out);
    buf_puts(out, " @@\n");
}

static void json_list(const char *key, const struct cli_list *list, struct json_writer *w) {
    jw_key(w, key);
    jw_open(w, '[');
    for (size_t i = 0; i < list->count; i++)
        jw_string(w, list->items[i]);
    jw_close(w, ']');
}

static void json_money(const char *key, money_micros value, bool is_known, struct json_writer *w) {
    char text[MONEY_TEXT_MAX];
    jw_key(w, key);
    if (is_known)
        money_format(value, 6, text);
    jw_string(w, is_known ? text : NULL);
}

void cli_whatif_print_json(const struct cli_whatif *it, const struct plan *before, const struct plan *after,
                           struct json_writer *w) {
    money_micros old = before->desired_cost_hourly, new = after->desired_cost_hourly;
    money_micros stranded = plan_stranded_cost(after);
    jw_key(w, "whatIf");
    jw_open(w, '{');
    json_list("without", &it->without, w);
    json_list("price", &it->price, w);
    json_list("demand", &it->demand, w);
    json_money("differenceHourly", new - old, old >= 0 && new >= 0, w);
    json_money("unmetCostHourly", stranded, stranded >= 0, w);
    jw_key(w, "unmet");
    jw_open(w, '[');
    for (size_t i = 0; i < after->why_not_count; i++)
        if (str_eq(after->why_not[i].reason, PLAN_UNMET))
            jw_string(w, after->why_not[i].target);
    jw_close(w, ']');
    jw_key(w, "before");
    jw_open(w, '{');
    plan_print_members(before, w);
    jw_close(w, '}');
    jw_close(w, '}');
}
