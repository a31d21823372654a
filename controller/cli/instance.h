/*
 * A running controller put together: runtime, HTTP, catalogue, history, store, loop, lease, servers; and taken apart
 * again in the order that loses nothing: not ready, stop intake, let what is in flight end, release the lease, close.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_CLI_INSTANCE_H
#define TRIMTAB_CLI_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct instance_options {
    /* Where desired state comes from: one of the three. */
    const char *manifests;  /* Local run. */
    const char *kubeconfig; /* NULL with in_cluster false: $KUBECONFIG or the default file. */
    bool in_cluster;
    const char *context;

    const char *history;   /* "sqlite:PATH"; NULL: beside the database, or memory in a cluster. */
    const char *database;  /* "sqlite:PATH"; NULL: the default of a local run. */
    const char *socket;    /* Of the local API; NULL: the default. */
    const char *listen;    /* Probes and metrics. */
    const char *catalogue; /* NULL: the installed one. */
    const char *record;    /* Folder for the latest plan of each policy with its inputs; NULL: none. */
    uint64_t speed;        /* >= 1 */
    int64_t start_ms;      /* Wall time at which a local run begins; 0: now. */
    int64_t run_for_ms;    /* Ends by itself after so much (sped-up) time; 0: never. */
    bool table;            /* The live table on stdout. */

    const char *namespace;           /* Our own; NULL: found. */
    const char *identity_namespaces; /* "a,b": whose Providers may act as us, beside our own; NULL: none. */
    const char *lease_name, *identity;
    int64_t lease_duration_ms, renew_deadline_ms, retry_period_ms;
    int64_t list_period_ms, usage_step_ms, resync_period_ms, status_interval_ms;
    int64_t list_max; /* Resources of one listing. */
    int64_t forecast_memory_mib;
    uint32_t action_timeout_ms;
};

/* Runs until a signal, the end of run_for_ms, or the loss of the lease. The exit code. */
int instance_run(const struct instance_options *options);

#endif
