/*
 * A bench for the AWS adapter: a real loop, a real HTTP client, a scripted server, and calls that count their ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_TESTS_UNIT_ADAPTERS_AWS_BENCH_H
#define TRIMTAB_TESTS_UNIT_ADAPTERS_AWS_BENCH_H

#include "adapters/adapter.h"
#include "base/runtime_uv.h"
#include "net/http.h"
#include "tests/support/script_server.h"

#define BENCH_CALLS_MAX 8
#define BENCH_KEYS_MAX 8
#define BENCH_ID "AKIDEXAMPLE"
#define BENCH_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct bench_call {
    struct adapter_call call;
    int done_count;
    bool is_submitting; /* done must not run now. */
};

struct bench {
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct runtime_uv runtime;
    struct http *http;
    struct script_server server;
    struct adapter *adapter;
    struct adapter_gate *gate; /* Set before bench_open; NULL: none. */
    struct arena arena;
    struct bench_call calls[BENCH_CALLS_MAX];
    const char *keys[BENCH_KEYS_MAX][2];
    const struct catalogue *catalogue; /* NULL: none. */
    const char *parameters;            /* JSON; NULL: none. */
    const char *endpoint;              /* NULL: the scripted server. */
    bool is_secret;                    /* The keys come from a Secret, not from the environment. */
    bool is_closed;
};

void bench_init(struct bench *bench);
void bench_advance(struct bench *bench, int64_t seconds); /* The wall clock. */
void bench_key(struct bench *bench, const char *name, const char *value);
void bench_static_keys(struct bench *bench);
/* Opens with the keys so far; the endpoint is the scripted server. */
enum err_class bench_open(struct bench *bench, struct error *err);
void bench_open_static(struct bench *bench);
struct adapter_call *bench_call(struct bench *bench, size_t index);
/* A call of its own in slot 0, run to its end. */
const struct adapter_reply *bench_list(struct bench *bench, uint32_t kinds, size_t count_max);
const struct adapter_reply *bench_scale(struct bench *bench, const char *id, int64_t count);
/* The verb of adapter_ops. The query is borrowed. */
const struct adapter_reply *bench_query(struct bench *bench,
                                        void (*verb)(struct adapter *self, struct adapter_call *call,
                                                     const struct cloud_query *query),
                                        const struct cloud_query *query);
void bench_submit_list(struct bench *bench, size_t index);
/* Runs the loop until the call has ended; more than 10 s are a failure. */
void bench_wait(struct bench *bench, size_t index);
void bench_turn(struct bench *bench); /* One turn of the loop without waiting. */
/* Closes what is open and asserts that every call ended once, and that the loop is empty. */
void bench_release(struct bench *bench);

extern const struct cloud_query bench_groups; /* InstanceGroup in us-east-1. */

#endif
