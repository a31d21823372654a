/*
 * A call of the contract's cases, and the inventory after it. What an adapter owes for each call, answered once, later,
 * with nothing left behind, is asserted here for all of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_CONTRACT_PROBE_H
#define TRIMTAB_TESTS_CONTRACT_PROBE_H

#include "contract.h"

struct probe { /* A call and what became of it. */
    struct adapter_call call;
    struct arena arena;
    int done_count;
    bool done;
    bool state_was_cleared;
};

enum cloud_kind probe_group_kind(const struct contract_bed *bed);
void probe_init(struct probe *probe);
void probe_release(struct probe *probe);
/* Turns the loop until the call has been answered. */
void probe_check(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                 const char *what);
struct cloud_query probe_list_query(const struct contract_bed *bed); /* All kinds. */
void probe_list(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                const struct cloud_query *query);
void probe_apply(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                 const struct cloud_action *action);
void probe_poll(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe,
                struct adapter *adapter, const char *operation);
/* In a list that must succeed: NULL if it is not there. Lives in probe->arena. */
const struct cloud_resource *probe_find(const struct contract_factory *factory, struct contract_bed *bed,
                                        struct probe *probe, enum cloud_kind kind, const char *id);
void probe_scale(const struct contract_factory *factory, struct contract_bed *bed, struct probe *probe, int64_t count,
                 const char *token);

#endif
