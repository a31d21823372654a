/*
 * Commitments at their marginal price. They are owed whether or not anything runs on them, so a machine that one covers
 * costs nothing more, and to end it saves nothing. A cloud applies them to whatever runs in the region: what others run
 * is counted first (snapshot.h), then what the policy's rows have.
 *
 *     free  --what stays, what grows, what would go--> held, of each row  --options, row after row--> left
 *
 * What would go comes last, so that rows shrink first by what is paid for. What one row leaves gives nothing to another
 * within the plan; what a row holds itself is there for its own options, since it goes when they come.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/commitment.h"

#include "base/str.h"
#include "base/timefmt.h"
#include "plan/plan_internal.h"

/* ---- what covers what ---- */

static const struct snapshot_commitment *commitment_at(const struct plan_work *work, size_t c) {
    return &work->input->snapshot->commitments[c];
}

static size_t commitment_count(const struct plan_work *work) {
    return work->input->snapshot->commitment_count;
}

/* 0: it does not cover it. */
static int64_t use_of(const struct snapshot_commitment *commitment, const struct plan_purchase *p) {
    bool is_machine = p->kind == CLOUD_INSTANCE_GROUP || p->kind == CLOUD_INSTANCE;
    if (!is_machine || p->is_spot || !p->type || !str_eq(commitment->provider, p->provider) ||
        !str_eq(commitment->commitment.region, p->region))
        return 0;
    return cloud_commitment_use(&commitment->commitment, p->type, p->vcpu_milli);
}

/* room: of each commitment, in thousandths. */
static struct plan_cover cover_make(const struct plan_work *work, const struct plan_purchase *p, const int64_t *room,
                                    const int64_t *more) {
    struct plan_cover cover = {0};
    struct plan_cover_part *parts = NULL;
    for (size_t c = 0; c < commitment_count(work); c++) {
        const struct snapshot_commitment *commitment = commitment_at(work, c);
        int64_t free = room[c] + (more ? more[c] : 0), ends_ms = commitment->commitment.ends_at_ms;
        int64_t each = free > 0 ? use_of(commitment, p) : 0;
        if (each <= 0 || free < each)
            continue;
        parts = arena_push(work->arena, parts, cover.count, sizeof(*parts));
        parts[cover.count++] = (struct plan_cover_part){c, each, free / each, ends_ms > 0 ? ends_ms : INT64_MAX};
    }
    cover.parts = parts;
    return cover;
}

int64_t plan_cover_machines(const struct plan_cover *cover, int64_t count, int64_t until_ms) {
    int64_t sum = 0;
    for (size_t i = 0; i < cover->count && sum < count; i++)
        if (until_ms <= cover->parts[i].until_end_ms)
            sum += cover->parts[i].machines;
    return sum < count ? sum : count;
}

struct plan_cover plan_cover_of(const struct plan_work *work, const struct plan_purchase *p) {
    return cover_make(work, p, work->commitments_free, NULL);
}

struct plan_cover plan_cover_for(const struct plan_work *work, const struct plan_row *row,
                                 const struct plan_purchase *p, bool is_beside) {
    if (row->closure) /* It must leave, whatever that costs. */
        return (struct plan_cover){0};
    return cover_make(work, p, work->commitments_left, is_beside ? NULL : row->held);
}

struct plan_cover plan_cover_held(const struct plan_work *work, const struct plan_row *row,
                                  const struct plan_purchase *p) {
    return row->held ? cover_make(work, p, row->held, NULL) : (struct plan_cover){0};
}

static void take(struct plan_work *work, struct plan_row *row, size_t commitment, int64_t amount) {
    if (!row->held)
        row->held = arena_alloc_array(work->arena, commitment_count(work), sizeof(*row->held));
    row->held[commitment] += amount;
    work->commitments_left[commitment] -= amount;
}

void plan_commitments_allot(struct plan_work *work, struct plan_row *row, const struct plan_cover *cover,
                            int64_t count) {
    for (size_t i = 0; i < cover->count && count > 0; i++) {
        const struct plan_cover_part *part = &cover->parts[i];
        int64_t taken = count < part->machines ? count : part->machines;
        int64_t own = row->held ? row->held[part->commitment] : 0, more = taken * part->each - own;
        if (more > 0)
            take(work, row, part->commitment, more);
        count -= taken;
    }
}

/* ---- what the rows hold ---- */

void plan_commitments_open(struct plan_work *work) {
    size_t count = commitment_count(work);
    work->commitments_free = arena_alloc_array(work->arena, count + 1, sizeof(*work->commitments_free));
    for (size_t c = 0; c < count; c++) {
        const struct snapshot_commitment *commitment = commitment_at(work, c);
        int64_t free = commitment->commitment.amount * 1000 - commitment->used_milli;
        bool is_live = cloud_commitment_is_live(&commitment->commitment, work->input->snapshot->as_of_ms);
        work->commitments_free[c] = is_live && free > 0 ? free : 0;
    }
    work->commitments_left = arena_memdup(work->arena, work->commitments_free, (count + 1) * sizeof(int64_t));
}

/* A machine of a group is counted with the group. */
static bool is_counted(const struct plan_row *row) {
    const struct cloud_resource *r = &row->resource->resource;
    if (row->closure || row->price <= 0 || row->is_bounds)
        return false;
    return r->kind == CLOUD_INSTANCE_GROUP || (r->kind == CLOUD_INSTANCE && !r->parent && r->state != CLOUD_DELETING);
}

static void hold(struct plan_work *work, struct plan_row *row, int64_t count) {
    if (count <= 0 || !is_counted(row))
        return;
    const struct plan_purchase p = plan_purchase_of(row);
    struct plan_cover cover = cover_make(work, &p, work->commitments_left, NULL);
    for (size_t i = 0; i < cover.count && count > 0; i++) {
        const struct plan_cover_part *part = &cover.parts[i];
        int64_t taken = count < part->machines ? count : part->machines;
        take(work, row, part->commitment, taken * part->each);
        row->covered += taken;
        count -= taken;
    }
}

static int64_t lesser(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void plan_commitments_hold(struct plan_work *work) {
    if (commitment_count(work) == 0)
        return;
    for (int is_hold = 1; is_hold >= 0; is_hold--)
        for (size_t i = 0; i < work->count; i++)
            if (work->rows[i].hold == (is_hold != 0))
                hold(work, &work->rows[i], lesser(work->rows[i].actual, work->rows[i].desired));
    for (size_t i = 0; i < work->count; i++)
        hold(work, &work->rows[i], work->rows[i].desired - work->rows[i].actual);
    for (size_t i = 0; i < work->count; i++)
        hold(work, &work->rows[i], work->rows[i].actual - work->rows[i].desired);
}

money_micros plan_committed_price(const struct plan_work *work, money_micros price) {
    money_micros own = price - work->input->policy->placement.overhead.hourly_cost;
    return own > 0 ? own : 0;
}

money_micros plan_paid_cost(const struct plan_work *work, const struct plan_row *row, int64_t count) {
    money_micros covered = money_mul(plan_committed_price(work, row->price), lesser(count, row->covered));
    return money_mul(row->price, count) - covered;
}

/* ---- what is owed either way ---- */

/* Of what it comes to, what its own share of the commitments covers. */
static money_micros committed_of(const struct plan_work *work, const struct plan_row *row, bool is_desired) {
    const struct plan_option *option = is_desired ? row->chosen : NULL;
    if (!option)
        return row->covered == 0 ? 0
                                 : money_mul(plan_committed_price(work, row->price),
                                             lesser(is_desired ? row->desired : row->actual, row->covered));
    const struct plan_purchase p = plan_purchase_of_option(row, option);
    const struct plan_cover cover = plan_cover_held(work, row, &p);
    return money_mul(plan_committed_price(work, option->price), plan_cover_machines(&cover, option->count, INT64_MIN));
}

money_micros plan_committed_cost(const struct plan_work *work, bool is_desired) {
    money_micros sum = 0;
    for (size_t i = 0; i < work->count; i++)
        if (work->rows[i].held)
            sum = money_add(sum, committed_of(work, &work->rows[i], is_desired));
    return sum;
}

/* ---- words ---- */

const char *plan_commitment_words(const struct plan_work *work, size_t commitment) {
    const struct cloud_commitment *c = &commitment_at(work, commitment)->commitment;
    char text[MONEY_TEXT_MAX], at[TIME_TEXT_MAX];
    const char *words = arena_printf(work->arena, "commitment %s, owed either way", c->id);
    if (c->price_hourly >= 0) {
        money_format(c->price_hourly, 4, text);
        words = arena_printf(work->arena, "%s at %s USD an hour", words, text);
    }
    if (c->ends_at_ms == 0)
        return words;
    time_format(c->ends_at_ms, at);
    return arena_printf(work->arena, "%s until %s", words, at);
}

size_t plan_commitment_of(const struct plan_work *work, const struct plan_row *row) {
    size_t c = 0;
    while (c + 1 < commitment_count(work) && row->held && row->held[c] == 0)
        c++;
    return c;
}

const char *plan_committed_sentence(const struct plan_work *work, const struct plan_row *row) {
    int64_t size = row->to > row->actual ? row->to : row->actual, covered = lesser(row->covered, size);
    if (covered == 0)
        return NULL;
    return arena_printf(work->arena, "%lld of %lld %s %s on %s", (long long)covered, (long long)size,
                        plan_piece(row, size), covered == 1 ? "runs" : "run",
                        plan_commitment_words(work, plan_commitment_of(work, row)));
}
