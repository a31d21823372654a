/*
 * The cases that need a server which says odd things: pages without end, refusals, credentials that run out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "probe.h"

#include "base/str.h"

static void list_all(const struct contract_script *script, struct contract_bed *bed, struct probe *probe,
                     size_t count_max) {
    struct cloud_query query = {.kinds = script->kinds, .region = bed->region, .count_max = count_max};
    probe_list(&script->base, bed, probe, &query);
}

static void expect_success(const struct probe *probe, size_t count, bool truncated) {
    const struct adapter_reply *reply = &probe->call.reply;
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->count, count, "%zu of %zu", reply->count, count);
    cr_expect_eq(reply->truncated, truncated);
}

void contract_pages_are_followed_to_the_end(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->page(bed, 0, 7, "second &=+/% page");
    script->page(bed, 7, 0, "an empty page is not the end");
    script->page(bed, 7, 5, "");
    struct probe probe;
    list_all(script, bed, &probe, 1000);
    expect_success(&probe, 12, false);
    for (size_t i = 1; i < probe.call.reply.count; i++)
        cr_expect(cloud_resource_cmp(&probe.call.reply.as.resources[i - 1], &probe.call.reply.as.resources[i]) < 0);
    cr_expect_eq(probe.call.reply.request_count, 3);
    probe_release(&probe);
    script->base.shut(bed);
}

void contract_a_page_link_that_repeats_is_permanent(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->page(bed, 0, 2, "a");
    script->page(bed, 2, 2, "b");
    script->page(bed, 4, 2, "a");
    struct probe probe;
    list_all(script, bed, &probe, 1000);
    cr_expect_eq(probe.call.reply.error.class, ERR_PERMANENT, "%s", probe.call.reply.error.message);
    cr_expect_eq(probe.call.reply.count, 0);
    cr_expect_eq(script->request_count(bed), 3);
    probe_release(&probe);
    script->base.shut(bed);
}

void contract_a_list_that_never_ends_is_permanent(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->endless(bed);
    struct probe probe;
    list_all(script, bed, &probe, 1000);
    cr_expect_eq(probe.call.reply.error.class, ERR_PERMANENT, "%s", probe.call.reply.error.message);
    probe_release(&probe);
    script->base.shut(bed);
}

void contract_a_list_over_several_pages_is_cut(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->page(bed, 0, 3, "a");
    script->page(bed, 3, 3, "b");
    struct probe probe;
    list_all(script, bed, &probe, 5);
    expect_success(&probe, 5, true);
    cr_expect_eq(script->request_count(bed), 2, "a page was read that is not needed");
    probe_release(&probe);
    script->base.shut(bed);
}

void contract_what_is_unknown_is_no_error(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->strange(bed);
    struct probe probe;
    list_all(script, bed, &probe, 1000);
    expect_success(&probe, 1, false);
    probe_release(&probe);
    script->base.shut(bed);
}

/* One bed for each, so that no refusal is explained by the one before. */
static void refuse_once(const struct contract_script *script, const struct contract_refusal *refusal, bool is_list) {
    struct contract_bed *bed = script->base.open(false);
    struct probe probe;
    script->refuse(bed, refusal);
    if (is_list)
        list_all(script, bed, &probe, 1000);
    else
        probe_scale(&script->base, bed, &probe, 3, "token");
    const struct error *error = &probe.call.reply.error;
    cr_expect_eq(error->class, refusal->class, "%s: %s is %s", refusal->name, error->message,
                 error_class_name(error->class));
    cr_expect_eq(error->effect, is_list ? EFFECT_NONE : refusal->effect, "%s: effect %d", refusal->name,
                 (int)error->effect);
    cr_expect_eq(error->http_status, (uint32_t)refusal->status, "%s", refusal->name);
    if (refusal->retry_after_ms != 0)
        cr_expect_eq(error->retry_after_ms, refusal->retry_after_ms, "%s: %u ms", refusal->name, error->retry_after_ms);
    cr_expect_eq(script->request_count(bed), 1, "%s: the adapter tried again by itself", refusal->name);
    probe_release(&probe);
    script->base.shut(bed);
}

void contract_too_fast_says_when_to_come_back(const struct contract_script *script) {
    struct arena arena = {0};
    cr_assert(script->throttle_count > 0);
    for (size_t i = 0; i < script->throttle_count; i++) {
        struct contract_refusal refusal;
        cr_assert(script->refusal(i, &arena, &refusal));
        cr_assert_eq(refusal.class, ERR_THROTTLED, "%s", refusal.name);
        cr_assert(refusal.retry_after_ms > 0, "%s", refusal.name);
        refuse_once(script, &refusal, false);
        refuse_once(script, &refusal, true);
    }
    arena_release(&arena);
}

void contract_every_refusal_has_its_class_and_effect(const struct contract_script *script) {
    struct arena arena = {0};
    struct contract_refusal refusal;
    size_t i = 0;
    for (; script->refusal(i, &arena, &refusal); i++)
        refuse_once(script, &refusal, false);
    cr_expect(i > script->throttle_count, "there are no rows");
    arena_release(&arena);
}

void contract_an_expired_credential_is_renewed_once_in_mid_list(const struct contract_script *script) {
    struct contract_bed *bed = script->base.open(false);
    script->credential(bed);
    script->page(bed, 0, 2, "a");
    script->expired(bed);
    script->credential(bed);
    script->page(bed, 2, 2, "");
    struct probe probe;
    list_all(script, bed, &probe, 1000);
    expect_success(&probe, 4, false);
    probe_release(&probe);
    script->page(bed, 0, 2, "a");
    script->expired(bed);
    script->credential(bed);
    script->expired(bed); /* The new one too: that is an answer. */
    list_all(script, bed, &probe, 1000);
    cr_expect_eq(probe.call.reply.error.class, ERR_PERMISSION, "%s", probe.call.reply.error.message);
    probe_release(&probe);
    script->base.shut(bed);
}
