/*
 * See options.h. Money of a span is price x machine hours, in whole micro-units.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/options.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan_internal.h"

#define HOUR_MS INT64_C(3600000)
#define MONTH_HOURS 730
#define GIB (INT64_C(1) << 30)

/* List prices of data that leaves, in micro-units a GiB (docs/planning.md names the pages): to another region of the
 * same Provider, and to another Provider, which may be another cloud. */
#define EGRESS_REGION_PER_GIB 20000
#define EGRESS_CLOUD_PER_GIB 120000
/* Of spot machines are interrupted in a month (docs/planning.md): that part of the capacity is held more, and each is
 * replaced while its successor boots. */
#define SPOT_INTERRUPTED_PER_MILLE 50

/* A place with a way of buying. */
struct shelf {
    enum action_type type;
    const struct policy_target *target; /* NULL: in place. */
    const char *provider, *region;
    bool is_spot;
};

struct refusal {
    const struct snapshot_offer *offer; /* The cheapest; NULL: none. */
    bool is_spot;
    money_micros hourly;
};

enum refusal_kind {
    REFUSED_ARCHITECTURE,
    REFUSED_TYPE,
    REFUSED_SIZE,
    REFUSED_PRICE,
    REFUSED_CLOSED,
    REFUSED_STOCK,
    REFUSED_SILENTLY,
    REFUSED_NOT
};
#define REFUSED_TOLD 6 /* Of them: those that a person can do something about. */
static const char *const refusal_reasons[REFUSED_TOLD] = {"WrongArchitecture", "ExcludedType", "TooSmall",
                                                          "UnknownPrice",      "PlaceClosed",  "OutOfStock"};

struct search {              /* Of one row. */
    bool is_movable;         /* Else the options count for the bound alone. */
    enum action_type action; /* Of the place that is looked at. */
    struct plan_work *work;
    struct plan_row *row;
    double *required; /* Of each step from first_step on. */
    size_t step_count;
    double change_required, peak_required;
    struct plan_cover stay_cover;
    money_micros stay_list;   /* What row->stay_run would be without commitments. */
    money_micros stay_hourly; /* When nothing is changed but the size. */
    struct plan_option *options;
    size_t option_count;
};

static money_micros saturated(__int128 value) {
    return value > INT64_MAX / 4 ? INT64_MAX / 4 : (money_micros)value;
}

static money_micros price_of_span(money_micros price, int64_t machines, int64_t span_ms) {
    return saturated((__int128)price * machines / HOUR_MS * span_ms +
                     (__int128)price * machines % HOUR_MS * span_ms / HOUR_MS);
}

static void note(const struct search *search, const char *reason, const char *message) {
    if (search->is_movable)
        plan_why_not_about(search->work, search->row, search->action, reason, message);
}

/* ---- what fits ---- */

static int64_t other_dimension(const struct policy *policy, int64_t vcpu_milli, int64_t memory_mib) {
    return policy->forecast.metric == CLOUD_METRIC_CPU ? memory_mib : vcpu_milli;
}

static bool is_architecture(const struct policy *policy, const struct plan_row *row, const char *architecture) {
    for (size_t i = 0; i < policy->placement.architecture_count; i++)
        if (str_eq(policy->placement.architectures[i], architecture))
            return true;
    return policy->placement.architecture_count == 0 && architecture[0] &&
           str_eq(row->resource->offer.architecture, architecture);
}

/* Families whose vCPUs cannot be used all of the time: burstable ones with a baseline below them (AWS T, Azure B,
 * Alibaba t5 and t6, Huawei t6) and those that share a core (Google's micro, small and medium; Alibaba s6). At the
 * utilisation that policies aim for they run out of credits. */
static bool is_part_time(const char *type) {
    static const char *const families[] = {"t1.*",     "t2.*",        "t3.*",      "t3a.*",    "t4g.*",
                                           "e2-micro", "e2-small",    "e2-medium", "f1-micro", "g1-small",
                                           "t6.*",     "Standard_B*", "ecs.t5-*",  "ecs.t6-*", "ecs.s6-*"};
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_glob(families[i], type))
            return true;
    return false;
}

static bool is_type(const struct policy *policy, const struct cloud_offer *offer) {
    for (size_t i = 0; i < policy->placement.exclude_count; i++)
        if (str_glob(policy->placement.exclude[i], offer->type))
            return false;
    int64_t vcpu_max = policy->placement.vcpu_max;
    return offer->vcpu_milli >= policy->placement.vcpu_min * 1000 &&
           (vcpu_max == 0 || offer->vcpu_milli <= vcpu_max * 1000);
}

/* Only one dimension is known of demand: of the other there is no less for each unit of it, without what agents keep.
 */
static bool is_wide(const struct search *search, const struct cloud_offer *offer, int64_t capacity) {
    const struct policy *policy = search->work->input->policy;
    const struct plan_row *row = search->row;
    const struct cloud_resource *r = &row->resource->resource;
    int64_t before = other_dimension(policy, r->vcpu_milli, r->memory_mib);
    if (before <= 0)
        before = other_dimension(policy, row->resource->offer.vcpu_milli, row->resource->offer.memory_mib);
    int64_t after = other_dimension(policy, offer->vcpu_milli, offer->memory_mib);
    int64_t kept =
        other_dimension(policy, policy->placement.overhead.vcpu_milli, policy->placement.overhead.memory_mib);
    if (row->is_single)
        return before > 0 && offer->gpu == row->resource->offer.gpu &&
               after >= plan_instance_other(search->work, row, search->peak_required, before);
    return before > 0 && offer->gpu == row->resource->offer.gpu &&
           (__int128)(after - kept) * row->resource->capacity_per_machine >= (__int128)(before - kept) * capacity;
}

static const struct headroom_closure *closure_of(const struct search *search, const struct snapshot_offer *offer) {
    return headroom_closure_of(&search->work->input->headroom, offer->provider, offer->offer.region, offer->offer.type);
}

static const struct snapshot_outage *outage_of(const struct search *search, const struct snapshot_offer *offer,
                                               bool is_spot) {
    return snapshot_outage_of(search->work->input->snapshot, offer->provider, offer->offer.region, offer->offer.type,
                              is_spot);
}

static int64_t machines(const struct search *search, int64_t capacity, double demand) {
    int64_t count = plan_machines_for(search->work->input->policy, capacity, demand);
    count = count > search->row->low ? count : search->row->low;
    return count < search->row->high ? count : search->row->high;
}

/* As much as today's machines could, if not all. Where unmet demand has a price it is paid instead; but not that of
 * memory after an OOM kill, nor of what must leave. */
static bool is_enough(const struct search *search, int64_t capacity) {
    const struct plan_row *row = search->row;
    bool is_priced = search->work->input->policy->sla.violation_cost && row->forecast->level > 0;
    if (is_priced && !row->raise && !row->closure && !row->is_single)
        return row->high > 0;
    double most = row->is_single ? INFINITY : plan_capacity_of(search->work, row, row->high);
    return plan_machines_for(search->work->input->policy, capacity, fmin(most, search->peak_required)) <= row->high;
}

static enum refusal_kind fits(const struct search *search, const struct shelf *shelf,
                              const struct plan_option *option) {
    const struct policy *policy = search->work->input->policy;
    const struct cloud_offer *offer = &option->offer->offer;
    bool is_same = shelf->type == ACTION_RIGHTSIZE && str_eq(offer->type, search->row->resource->resource.type);
    if (is_same || option->capacity <= 0)
        return REFUSED_SILENTLY;
    if (option->price < 0)
        return REFUSED_PRICE;
    enum refusal_kind kind = REFUSED_NOT;
    size_t faults = 0;
    if (closure_of(search, option->offer)) {
        kind = REFUSED_CLOSED;
        faults++;
    }
    if (outage_of(search, option->offer, option->is_spot)) {
        kind = REFUSED_STOCK;
        faults++;
    }
    if (!is_architecture(policy, search->row, offer->architecture)) {
        kind = REFUSED_ARCHITECTURE;
        faults++;
    }
    if (!is_type(policy, offer)) {
        kind = REFUSED_TYPE;
        faults++;
    }
    bool is_lasting = !is_part_time(offer->type) || is_part_time(search->row->resource->resource.type);
    if (!is_lasting || !is_enough(search, option->capacity) || !is_wide(search, offer, option->capacity)) {
        kind = REFUSED_SIZE;
        faults++;
    }
    return faults > 1 ? REFUSED_SILENTLY : kind; /* What one change of the policy would not help is not told. */
}

/* ---- what it costs ---- */

static int64_t count_at(const struct search *search, int64_t capacity, int64_t fixed, size_t step) {
    return fixed >= 0 ? fixed : machines(search, capacity, search->required[step]);
}

/* Machines x steps of the horizon; fixed: so many in each step, -1: what demand asks for. */
static int64_t machine_steps(const struct search *search, int64_t capacity, int64_t fixed) {
    int64_t sum = 0;
    for (size_t s = 0; s < search->step_count; s++)
        sum += count_at(search, capacity, fixed, s);
    return sum;
}

/* What is worth serving and these machines do not. */
static money_micros unmet_of(const struct search *search, int64_t capacity, int64_t fixed) {
    const struct policy *policy = search->work->input->policy;
    money_micros sum = 0;
    for (size_t s = 0; policy->sla.violation_cost && !search->row->is_single && s < search->step_count; s++)
        sum =
            money_add(sum, plan_unmet_cost(search->work, search->row, search->row->first_step + s, search->required[s],
                                           plan_serves(policy, capacity, count_at(search, capacity, fixed, s))));
    return sum;
}

/* What they cost, without what commitments cover to the end of the step. */
static money_micros run_of(const struct search *search, money_micros price, int64_t capacity, int64_t fixed,
                           const struct plan_cover *cover) {
    const struct forecast *f = search->row->forecast;
    int64_t covered = 0;
    for (size_t s = 0; cover->count > 0 && s < search->step_count; s++)
        covered += plan_cover_machines(cover, count_at(search, capacity, fixed, s),
                                       f->start_ms + (int64_t)(search->row->first_step + s + 1) * f->step_ms);
    return price_of_span(price, machine_steps(search, capacity, fixed), f->step_ms) -
           price_of_span(plan_committed_price(search->work, price), covered, f->step_ms);
}

static money_micros egress(const struct search *search, const struct shelf *shelf, bool is_continuous) {
    const struct policy *policy = search->work->input->policy;
    const struct snapshot_resource *r = search->row->resource;
    bool is_cloud = !str_eq(shelf->provider, r->provider);
    money_micros price = is_cloud                                     ? EGRESS_CLOUD_PER_GIB
                         : !str_eq(shelf->region, r->resource.region) ? EGRESS_REGION_PER_GIB
                                                                      : 0;
    money_micros sum = 0;
    for (size_t i = 0; i < policy->placement.data_count; i++)
        if (!is_continuous || policy->placement.data[i].continuous)
            sum = money_add(sum, money_mul(price, policy->placement.data[i].size_hint_bytes / GIB + 1));
    return sum;
}

static void price_option(const struct search *search, const struct shelf *shelf, struct plan_option *option) {
    const struct policy *policy = search->work->input->policy;
    const struct plan_row *row = search->row;
    int64_t step_ms = row->forecast->step_ms, lead_ms = policy->sla.lead_time_ms;
    int64_t horizon_ms = step_ms * (int64_t)search->step_count;
    int64_t fixed = policy_may(policy, ACTION_SCALE) ? -1 : option->count;
    option->run = run_of(search, option->price, option->capacity, fixed, &option->cover);
    option->unmet = unmet_of(search, option->capacity, fixed);
    if (option->is_spot)
        option->run += saturated((__int128)option->run * lead_ms * SPOT_INTERRUPTED_PER_MILLE /
                                 ((__int128)1000 * MONTH_HOURS * HOUR_MS));
    option->run = money_add(
        option->run, saturated((__int128)egress(search, shelf, true) * horizon_ms / ((__int128)MONTH_HOURS * HOUR_MS)));
    const struct plan_purchase p = plan_purchase_of_option(row, option);
    const struct plan_cover beside = plan_cover_for(search->work, row, &p, true);
    int64_t covered = plan_cover_machines(&beside, option->count, INT64_MIN);
    money_micros paid =
        money_mul(option->price, option->count) - money_mul(plan_committed_price(search->work, option->price), covered);
    option->once = money_add(price_of_span(plan_paid_cost(search->work, row, row->now), 1, lead_ms),
                             money_add(price_of_span(paid, 1, lead_ms), egress(search, shelf, false)));
    if (row->is_single)
        option->once = money_add(option->once, plan_instance_outage(search->work, row));
}

/* ---- what may be taken ---- */

static bool is_undone(const struct search *search, const struct plan_option *option) {
    const struct snapshot_change *change = &search->row->resource->last_change;
    int64_t age_ms = search->work->input->snapshot->as_of_ms - change->at_ms;
    return change->at_ms > 0 && age_ms < search->work->input->policy->forecast.horizon_ms &&
           str_eq(change->type, option->offer->offer.type) && str_eq(change->provider, option->offer->provider) &&
           str_eq(change->region, option->offer->offer.region);
}

static const char *money_words(const struct search *search, money_micros value) {
    char text[MONEY_TEXT_MAX];
    money_format(value, 4, text);
    return arena_strdup(search->work->arena, text);
}

/* Both are there while one is replaced by the other. */
static int64_t quota_room(const struct search *search, const struct plan_option *option,
                          const struct cloud_limit **ret) {
    const struct plan_purchase p = plan_purchase_of_option(search->row, option);
    return plan_quota_room(search->work, &p, ret);
}

static void judge_quota(const struct search *search, struct plan_option *option) {
    const struct cloud_limit *limit;
    int64_t room = quota_room(search, option, &limit);
    if (!option->is_blocked)
        return;
    option->reason = "QuotaExceeded";
    option->detail =
        arena_printf(search->work->arena, "%s is more than the %lld for which %s has room",
                     plan_option_words(search->work, option), (long long)room, plan_quota_words(search->work, limit));
}

static void judge_freeze(const struct search *search, struct plan_option *option) {
    const char *budget = search->work->input->headroom.budget;
    option->reason = "BudgetFreeze";
    option->detail = arena_printf(search->work->arena, "%s would cost more: budget %s freezes growth",
                                  plan_option_words(search->work, option), budget ? budget : "(unnamed)");
}

static void judge(const struct search *search, struct plan_option *option) {
    const struct policy *policy = search->work->input->policy;
    money_micros stay = search->row->stay_run + search->row->stay_unmet;
    money_micros run = option->run + option->unmet, saving = stay - run;
    if (!search->is_movable) {
        option->reason = option->detail = "NotNow";
        return;
    }
    const char *words = plan_option_words(search->work, option);
    struct arena *arena = search->work->arena;
    if ((search->row->closure || search->row->is_short) && policy_may(policy, option->type)) {
        if (search->row->is_short && search->work->input->headroom.freeze_growth && saving < 0)
            judge_freeze(search, option);
        else
            judge_quota(search, option); /* It must leave, or does not serve: whatever that costs. */
        return;
    }
    if (search->row->closure) {
        option->reason = "ActionNotAllowed";
        option->detail = arena_printf(arena, "%s would serve it; the policy's actions lack %s", words,
                                      action_type_name(option->type));
    } else if (saving <= 0 && search->stay_list + search->row->stay_unmet - run > 0) {
        option->reason = "Committed";
        option->detail = arena_printf(arena, "%s would save nothing: what it has runs on %s", words,
                                      plan_commitment_words(search->work, search->stay_cover.parts[0].commitment));
    } else if (saving <= 0 && stay - option->run > 0) {
        option->reason = "TooSmall";
        option->detail = arena_printf(arena, "%s would cost %s USD over the horizon, but not serve all: that counts %s",
                                      words, money_words(search, option->run), money_words(search, option->unmet));
    } else if (saving <= 0) {
        option->reason = "DearerThanNow";
        option->detail = arena_printf(arena, "%s would cost %s USD over the horizon, as it is %s", words,
                                      money_words(search, option->run), money_words(search, stay));
    } else if (!policy_may(search->work->input->policy, option->type)) {
        option->reason = "ActionNotAllowed";
        option->detail = arena_printf(arena, "%s would save %s USD over the horizon; the policy's actions lack %s",
                                      words, money_words(search, saving), action_type_name(option->type));
    } else if (is_undone(search, option)) {
        option->reason = "PingPong";
        option->detail = arena_printf(arena, "%s is what it was before its last change", words);
    } else if ((__int128)saving * 100 < (__int128)stay * policy->disruption.min_saving_percent) {
        option->reason = "BelowMinSaving";
        option->detail = arena_printf(arena, "%s would save %s of %s USD over the horizon, less than %lld %%", words,
                                      money_words(search, saving), money_words(search, stay),
                                      (long long)policy->disruption.min_saving_percent);
    } else if (option->once >= saving) {
        option->reason = "NotWorthDisruption";
        option->detail = arena_printf(arena, "%s would save %s USD over the horizon; to change costs %s once", words,
                                      money_words(search, saving), money_words(search, option->once));
    } else {
        judge_quota(search, option);
    }
}

/* ---- one place ---- */

static int by_price(const void *a, const void *b) {
    const struct plan_option *x = a, *y = b;
    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    if (x->capacity != y->capacity)
        return x->capacity > y->capacity ? -1 : 1;
    return str_cmp(x->offer->offer.type, y->offer->offer.type);
}

static int by_cost(const void *a, const void *b) {
    const struct plan_option *x = a, *y = b;
    money_micros left = plan_option_cost(x), right = plan_option_cost(y);
    if (left != right)
        return left < right ? -1 : 1;
    int order = snapshot_offer_cmp(x->offer, y->offer);
    return order ? order : (int)x->is_spot - (int)y->is_spot;
}

static struct plan_option option_of(const struct search *search, const struct shelf *shelf,
                                    const struct snapshot_offer *offer) {
    int64_t capacity = search->work->input->policy->forecast.metric == CLOUD_METRIC_CPU ? offer->offer.vcpu_milli
                                                                                        : offer->offer.memory_mib;
    money_micros price = shelf->is_spot ? offer->offer.price_spot_hourly : offer->offer.price_hourly;
    if (!search->row->is_single) /* Its agents are one before and one after. */
        capacity = plan_overhead_capacity(search->work, search->row, capacity);
    if (shelf->is_spot && shelf->type == ACTION_MIGRATE)
        capacity = capacity / 1000 * (1000 - SPOT_INTERRUPTED_PER_MILLE) +
                   capacity % 1000 * (1000 - SPOT_INTERRUPTED_PER_MILLE) / 1000;
    return (struct plan_option){.type = shelf->type,
                                .offer = offer,
                                .target = shelf->target,
                                .is_spot = shelf->is_spot,
                                .capacity = capacity,
                                .price = plan_overhead_price(search->work, price)};
}

static const char *refusal_words(const struct search *search, enum refusal_kind kind, const struct refusal *refusal) {
    const struct snapshot_offer *offer = refusal->offer;
    switch (kind) {
    case REFUSED_ARCHITECTURE:
        return ": its architecture is not one of the policy's, or today's";
    case REFUSED_TYPE:
        return ": placement.instanceTypes leaves it out";
    case REFUSED_SIZE:
        return " would need too many machines, has less beside what is forecast, or not all of the time";
    case REFUSED_PRICE:
        return " and others have no price that is known";
    case REFUSED_CLOSED:
        return arena_printf(search->work->arena, " is not for sale: %s is closed", closure_of(search, offer)->text);
    case REFUSED_STOCK:
        return arena_printf(search->work->arena, " would save; %s",
                            plan_outage_words(search->work, outage_of(search, offer, refusal->is_spot)));
    case REFUSED_SILENTLY:
    case REFUSED_NOT:
        break;
    }
    return "";
}

/* Only what would save is worth telling, or serve what must leave; a price that is not known might. */
static void tell_refused(const struct search *search, const struct refusal *refused, bool has_priced) {
    for (size_t i = 0; i < REFUSED_TOLD; i++) {
        const struct snapshot_offer *offer = refused[i].offer;
        bool is_worth = search->row->closure ? i != REFUSED_CLOSED : refused[i].hourly < search->stay_hourly;
        if (!offer || ((int)i == REFUSED_PRICE ? has_priced : !is_worth))
            continue;
        note(search, refusal_reasons[i],
             arena_printf(search->work->arena, "%s in %s/%s%s", offer->offer.type, offer->provider, offer->offer.region,
                          refusal_words(search, (enum refusal_kind)i, &refused[i])));
    }
}

static void note_refused(const struct search *search, const struct plan_option *option, struct refusal *refused) {
    money_micros hourly =
        option->price < 0 ? 0 : money_mul(option->price, machines(search, option->capacity, search->change_required));
    if (!refused->offer || hourly < refused->hourly)
        *refused = (struct refusal){option->offer, option->is_spot, hourly};
}

/* What a commitment may cover costs less than its price says: it stays in. */
static size_t undominated(struct plan_option *options, size_t count) {
    size_t kept = 0;
    int64_t most_free = 0, most = 0; /* Capacity that what is kept has. */
    if (count > 0)
        qsort(options, count, sizeof(*options), by_price);
    for (size_t i = 0; i < count; i++) {
        struct plan_option option = options[i];
        if (option.cover.count == 0 && option.capacity <= (option.is_blocked ? most : most_free))
            continue;
        options[kept++] = option;
        most = option.capacity > most ? option.capacity : most;
        most_free = option.is_blocked || option.capacity < most_free ? most_free : option.capacity;
    }
    return kept;
}

/* The cheapest of each reason speaks for its place; that something is dearer, only where nothing is cheaper. */
static void tell_judged(const struct search *search, const struct plan_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool is_first = options[i].reason && (i == 0 || !str_eq(options[i].reason, "DearerThanNow"));
        for (size_t k = 0; is_first && k < i; k++)
            is_first = !options[k].reason || !str_eq(options[k].reason, options[i].reason);
        if (is_first)
            note(search, options[i].reason, options[i].detail);
    }
}

static size_t offers_begin(const struct snapshot *snapshot, const struct shelf *shelf) {
    const struct snapshot_offer wanted = {shelf->provider, {.region = shelf->region, .type = ""}};
    size_t low = 0, high = snapshot->offer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot_offer_cmp(&snapshot->offers[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many of them, what they may run on, and whether there is room for so many. */
static struct plan_option counted(const struct search *search, struct plan_option option) {
    const struct plan_purchase p = plan_purchase_of_option(search->row, &option);
    const struct cloud_limit *limit;
    option.cover = plan_cover_for(search->work, search->row, &p, false);
    option.count = machines(search, option.capacity, search->change_required);
    option.is_blocked = quota_room(search, &option, &limit) < option.count && limit;
    return option;
}

static void shelf_search(struct search *search, const struct shelf *shelf) {
    const struct snapshot *snapshot = search->work->input->snapshot;
    struct arena *arena = search->work->arena;
    struct refusal refused[REFUSED_TOLD] = {0};
    search->action = shelf->type;
    size_t first = offers_begin(snapshot, shelf), end = first, count = 0;
    while (end < snapshot->offer_count && str_eq(snapshot->offers[end].provider, shelf->provider) &&
           str_eq(snapshot->offers[end].offer.region, shelf->region))
        end++;
    if (first == end && policy_may(search->work->input->policy, shelf->type))
        note(search, "PlaceClosed",
             arena_printf(arena, "nothing is known to be for sale in %s/%s; the policy must select its Provider",
                          shelf->provider, shelf->region));
    struct plan_option *options = arena_alloc_array(arena, end - first + 1, sizeof(*options));
    for (size_t i = first; i < end; i++) {
        struct plan_option option = option_of(search, shelf, &snapshot->offers[i]);
        enum refusal_kind kind = fits(search, shelf, &option);
        if (kind == REFUSED_NOT)
            options[count++] = counted(search, option);
        else if (kind != REFUSED_SILENTLY)
            note_refused(search, &option, &refused[kind]);
    }
    tell_refused(search, refused, count > 0);
    count = undominated(options, count);
    for (size_t i = 0; i < count; i++) {
        price_option(search, shelf, &options[i]);
        judge(search, &options[i]);
    }
    if (count > 0)
        qsort(options, count, sizeof(*options), by_cost);
    tell_judged(search, options, count);
    for (size_t i = 0; policy_may(search->work->input->policy, shelf->type) && i < count; i++) {
        search->options = arena_push(arena, search->options, search->option_count, sizeof(*options));
        search->options[search->option_count++] = options[i];
    }
}

/* ---- one row ---- */

static void require(struct search *search) {
    struct plan_row *row = search->row;
    search->step_count = row->forecast->steps - row->first_step;
    search->required = arena_alloc_array(search->work->arena, search->step_count, sizeof(*search->required));
    search->change_required = row->hold_demand;
    search->peak_required = row->hold_demand;
    for (size_t s = 0; s < search->step_count; s++) {
        search->required[s] = plan_demand_at(search->work, row, row->first_step + s);
        search->peak_required = fmax(search->peak_required, search->required[s]);
    }
    int64_t capacity = row->resource->capacity_per_machine, fixed = -1;
    if (!policy_may(search->work->input->policy, ACTION_SCALE)) {
        search->change_required = search->peak_required;
        fixed = row->now;
    }
    row->is_short =
        row->is_single && plan_machines_for(search->work->input->policy, capacity, search->peak_required) > 1;
    const struct plan_purchase p = plan_purchase_of(row);
    search->stay_cover = plan_cover_for(search->work, row, &p, false);
    row->stay_run = run_of(search, row->price, capacity, fixed, &search->stay_cover);
    row->stay_unmet = unmet_of(search, capacity, fixed);
    search->stay_list = price_of_span(row->price, machine_steps(search, capacity, fixed), row->forecast->step_ms);
    int64_t count = fixed >= 0 ? fixed : machines(search, capacity, search->change_required);
    search->stay_hourly = plan_paid_cost(search->work, row, count);
}

/* Something is known to compare with. */
static bool is_comparable(const struct plan_row *row) {
    return (row->is_single || row->resource->resource.kind == CLOUD_INSTANCE_GROUP) && !row->hold && !row->is_bounds &&
           row->price >= 0 && row->raw >= 0 && row->resource->has_offer;
}

/* Another machine is chosen only from a fresh view, by a forecast of its own, and never beside a change of size: that
 * goes first, in the steps that the policy allows. */
static bool is_movable(const struct plan_work *work, const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    return row->may_shrink && !r->count_manager && !r->size_manager && row->now > 0 && row->to == row->now &&
           row->need <= row->now && row->forecast->basis == FORECAST_BASIS_OWN &&
           !work->input->headroom.shrink_to_minimum;
}

/* What of commitments the row counts on is its own from here on; its other options have only that. */
static void settle_covers(struct search *search) {
    struct plan_option *best = NULL;
    for (size_t k = 0; k < search->option_count && !best; k++)
        if (!search->options[k].reason)
            best = &search->options[k];
    int64_t capacity = best ? best->capacity : search->row->resource->capacity_per_machine;
    plan_commitments_allot(search->work, search->row, best ? &best->cover : &search->stay_cover,
                           machines(search, capacity, search->peak_required));
    for (size_t k = 0; best && k < search->option_count; k++) {
        struct plan_option *option = &search->options[k];
        if (option == best || option->reason || option->cover.count == 0)
            continue;
        const struct plan_purchase p = plan_purchase_of_option(search->row, option);
        const struct policy_target *target = option->target;
        option->cover = plan_cover_held(search->work, search->row, &p);
        price_option(search, &(struct shelf){option->type, target, option->offer->provider, p.region, option->is_spot},
                     option);
        judge(search, option);
    }
}

static void row_search(struct plan_work *work, struct plan_row *row, bool is_movable) {
    const struct policy *policy = work->input->policy;
    const struct cloud_resource *r = &row->resource->resource;
    struct search search = {.work = work, .row = row, .is_movable = is_movable};
    if (!plan_overhead_fits(work, row)) {
        note(&search, "TooSmall",
             arena_printf(work->arena, "placement.overhead is all that a %s can spare at %lld %%: nothing is compared",
                          r->type, (long long)policy->sla.target_utilization_percent));
        return;
    }
    require(&search);
    shelf_search(&search, &(struct shelf){ACTION_RIGHTSIZE, NULL, row->resource->provider, r->region, r->is_spot});
    for (size_t i = 0; !row->is_single && i < policy->placement.target_count; i++) {
        const struct policy_target *target = &policy->placement.targets[i];
        const char *provider = arena_printf(work->arena, "%s/%s", target->provider.namespace, target->provider.name);
        bool is_here = str_eq(provider, row->resource->provider) && str_eq(target->region, r->region);
        if (target->on_demand && !(is_here && !r->is_spot))
            shelf_search(&search, &(struct shelf){ACTION_MIGRATE, target, provider, target->region, false});
        if (target->spot && !(is_here && r->is_spot))
            shelf_search(&search, &(struct shelf){ACTION_MIGRATE, target, provider, target->region, true});
    }
    if (search.option_count > 0)
        qsort(search.options, search.option_count, sizeof(*search.options), by_cost);
    if (is_movable) {
        settle_covers(&search);
        if (search.option_count > 0)
            qsort(search.options, search.option_count, sizeof(*search.options), by_cost);
    }
    row->options = search.options;
    row->option_count = search.option_count;
}

void plan_options(struct plan_work *work) {
    if (!policy_may_move(work->input->policy))
        return;
    for (size_t i = 0; i < work->count; i++)
        if (is_comparable(&work->rows[i]) && !work->rows[i].closure)
            row_search(work, &work->rows[i], is_movable(work, &work->rows[i]));
}

/* Its present size is no reason to wait, nor is a forecast that is borrowed or knows little. */
void plan_options_leaving(struct plan_work *work, struct plan_row *row) {
    if (is_comparable(row) && policy_may_move(work->input->policy))
        row_search(work, row, true);
}
