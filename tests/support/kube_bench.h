/*
 * What a test of kube/ stands on: the real client over loopback to a scripted server, with virtual time for all timers
 * of kube/ (only the network runs in real time).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_KUBE_BENCH_H
#define TRIMTAB_TESTS_KUBE_BENCH_H

#include "base/runtime_virtual.h"
#include "kube/client.h"
#include "tests/support/http_script.h"

struct kube_bench {
    uv_loop_t loop;
    uv_timer_t tick; /* So that the loop never blocks for long. */
    struct runtime_virtual rt;
    struct http *http;
    struct kube_client *client;
    struct http_script server;
    bool is_client_closed, is_http_closed;
};

void kube_bench_open(struct kube_bench *bench, const struct http_script_step *steps, size_t count);
/* Fails the test if a request did not go by the script or a step was left over. */
void kube_bench_close(struct kube_bench *bench);

/* Runs the loop, and timers that are due, until the condition holds; fails the test after 5 s of real time. */
void kube_bench_until(struct kube_bench *bench, bool (*holds)(void *ctx), void *ctx, const char *what);
/* The script has come so far. */
void kube_bench_until_step(struct kube_bench *bench, size_t step_index);
/* Lets virtual time pass, then lets the network settle for a few turns. */
void kube_bench_pass(struct kube_bench *bench, uint64_t ns);

#endif
