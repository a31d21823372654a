/*
 * Leader election on a coordination.k8s.io/v1 Lease, as client-go does it: acquire when free or expired (by our own
 * monotonic observation of renewTime changes, never by comparing wall clocks), renew every retry_period, step down when
 * a renewal has not succeeded within renew_deadline, release on exit (holderIdentity "", leaseDurationSeconds 1).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_LEASE_H
#define TRIMTAB_KUBE_LEASE_H

#include "kube/client.h"

struct kube_lease;

struct kube_lease_options {
    const char *namespace, *name, *identity;
    uint32_t lease_duration_ms; /* 15 s */
    uint32_t renew_deadline_ms; /* 10 s; < lease_duration */
    uint32_t retry_period_ms;   /* 2 s; < renew_deadline */
    /* Once at each change. true is told after the record was confirmed; false before the lease is given up, from inside
     * kube_lease_stop too. kube_lease_stop may be called from here. */
    void (*on_change)(void *ctx, bool is_leader);
    void *ctx;
};

/* Options and their strings are copied. */
struct kube_lease *kube_lease_start(struct kube_client *client, struct runtime *rt,
                                    const struct kube_lease_options *options);
/* Releases the lease if held (best effort, bounded by 2 s), then calls stopped, later, and frees. Another replica may
 * lead at once: no effect may be under way any more. */
void kube_lease_stop(struct kube_lease *lease, void (*stopped)(void *ctx), void *ctx);
/* Monotonic time until which no other replica can hold the lease, by the last successful renewal's send time +
 * lease_duration; 0 when not leading. The fence: an effect is sent only if now + its time-out < this. */
uint64_t kube_lease_valid_until_ns(const struct kube_lease *lease);
bool kube_lease_is_leader(const struct kube_lease *lease);
/* Monotonic time at which this replica last became leader. */
uint64_t kube_lease_acquired_ns(const struct kube_lease *lease);
/* leader_election_master_status{name} */
void kube_lease_metrics(const struct kube_lease *lease, struct buf *out);

#endif
