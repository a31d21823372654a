/* See the header. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kube_bench.h"

#include <criterion/criterion.h>

#include "base/mem.h"

#define LIMIT_NS (5 * NS_PER_S)
#define SETTLE_TURNS 10

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

void kube_bench_open(struct kube_bench *bench, const struct http_script_step *steps, size_t count) {
    *bench = (struct kube_bench){0};
    uv_loop_init(&bench->loop);
    uv_timer_init(&bench->loop, &bench->tick);
    uv_timer_start(&bench->tick, on_tick, 1, 1);
    runtime_virtual_init(&bench->rt, 1, 1770000000000);
    http_script_open(&bench->server, &bench->loop, steps, count);
    char *url = mem_printf("http://127.0.0.1:%d", bench->server.port);
    bench->http = http_new(&bench->loop, &(struct http_options){.user_agent = "test"});
    bench->client = kube_client_new(&bench->rt.base, bench->http, &bench->loop, &(struct kube_config){.server = url},
                                    &(struct kube_client_options){0});
    mem_free(url);
}

static void turn(struct kube_bench *bench) {
    runtime_virtual_run_until(&bench->rt, bench->rt.now_ns);
    uv_run(&bench->loop, UV_RUN_ONCE);
    runtime_virtual_run_until(&bench->rt, bench->rt.now_ns);
}

void kube_bench_until(struct kube_bench *bench, bool (*holds)(void *ctx), void *ctx, const char *what) {
    uint64_t end_ns = uv_hrtime() + LIMIT_NS;
    while (!holds(ctx)) {
        cr_assert(uv_hrtime() < end_ns, "waited in vain for: %s (step %zu) %s", what, bench->server.step_index,
                  bench->server.complaint);
        turn(bench);
    }
}

struct step_wait {
    const struct http_script *server;
    size_t step_index;
};

static bool has_step(void *ctx) {
    const struct step_wait *wait = ctx;
    return *wait->server->complaint || wait->server->step_index >= wait->step_index;
}

void kube_bench_until_step(struct kube_bench *bench, size_t step_index) {
    struct step_wait wait = {&bench->server, step_index};
    kube_bench_until(bench, has_step, &wait, "the next request");
    cr_assert_str_empty(bench->server.complaint, "%s", bench->server.complaint);
    cr_assert_eq(bench->server.step_index, step_index, "more requests than expected");
}

void kube_bench_pass(struct kube_bench *bench, uint64_t ns) {
    runtime_virtual_run_until(&bench->rt, bench->rt.now_ns + ns);
    for (int i = 0; i < SETTLE_TURNS; i++)
        turn(bench);
}

static void set_flag(void *ctx) {
    *(bool *)ctx = true;
}

static bool is_set(void *ctx) {
    return *(bool *)ctx;
}

void kube_bench_close(struct kube_bench *bench) {
    cr_expect_str_empty(bench->server.complaint, "%s", bench->server.complaint);
    bool is_over = bench->server.step_index == bench->server.step_count ||
                   (bench->server.step_index + 1 == bench->server.step_count &&
                    bench->server.steps[bench->server.step_index].repeats);
    cr_expect(is_over, "only %zu steps", bench->server.step_index);
    kube_client_close(bench->client, set_flag, &bench->is_client_closed);
    kube_bench_until(bench, is_set, &bench->is_client_closed, "the client to close");
    kube_client_free(bench->client);
    http_close(bench->http, set_flag, &bench->is_http_closed);
    kube_bench_until(bench, is_set, &bench->is_http_closed, "http to close");
    http_free(bench->http);
    http_script_close(&bench->server);
    uv_close((uv_handle_t *)&bench->tick, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    http_script_release(&bench->server);
    runtime_virtual_release(&bench->rt);
    cr_expect_eq(uv_loop_close(&bench->loop), 0, "a handle is left open");
}
