/*
 * How actions go, against a scripted API server: what is sent, in which order, and what a failure at each place says of
 * the effect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
    bench_open_well(&bench, NULL);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(kubernetes_apply, .init = set_up, .fini = tear_down);

static const struct adapter_reply *act(struct cloud_action action) {
    struct adapter_call *call = bench_call(&bench, 0);
    if (action.region == NULL)
        action.region = CLOUD_REGION_CLUSTER;
    bench.calls[0].is_submitting = true;
    bench.adapter->ops->apply(bench.adapter, call, &action);
    bench.calls[0].is_submitting = false;
    bench_wait(&bench, 0);
    return &call->reply;
}

static const struct adapter_reply *poll(const char *operation) {
    struct adapter_call *call = bench_call(&bench, 0);
    bench.calls[0].is_submitting = true;
    bench.adapter->ops->poll(bench.adapter, call, operation);
    bench.calls[0].is_submitting = false;
    bench_wait(&bench, 0);
    return &call->reply;
}

static const struct adapter_reply *scale(int64_t count) {
    return act((struct cloud_action){
        .verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web", .count = count});
}

static const struct adapter_reply *resize(int64_t cpu_milli) {
    return act((struct cloud_action){
        .verb = CLOUD_RESIZE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web", .vcpu_milli = cpu_milli});
}

static void reply(const char *body) {
    script_reply(&bench.server, 200, "Content-Type: application/json\r\n", body);
}

static bool was_asked(size_t index, const char *text) {
    return strstr(script_request(&bench.server, index), text) != NULL;
}

#define CPU(amount) "\"resources\": {\"requests\": {\"cpu\": \"" amount "\"}}"
#define META(name)                                                                                                     \
    "\"metadata\": {\"namespace\": \"shop\", \"name\": \"" name "\", \"uid\": \"u-" name "\", "                        \
    "\"resourceVersion\": \"7\""

/* annotations: "" or ", \"annotations\": {...}". */
static void deployment(const char *annotations) {
    char *body = mem_printf(
        "{" META("web") "%s}, \"spec\": {\"replicas\": 2, \"selector\": {\"matchLabels\": {\"app\": "
                        "\"web\"}, \"matchExpressions\": [{\"key\": \"tier\", \"operator\": \"In\", \"values\": "
                        "[\"a\", \"b\"]}, {\"key\": \"old\", \"operator\": \"DoesNotExist\"}]}, \"template\": "
                        "{\"spec\": {\"containers\": [{\"name\": \"main\", " CPU("100m") "}]}}}}",
        annotations);
    reply(body);
    mem_free(body);
}

#define ASKED(cpu) ", \"annotations\": {\"trimtab.dev/requests\": \"{\\\"cpu\\\": \\\"" cpu "\\\"}\"}"

static const char *pod(const char *name, const char *cpu, const char *status) {
    return arena_printf(
        &bench.arena,
        "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"%s\", \"uid\": \"u-%s\", \"labels\": "
        "{\"pod-template-hash\": \"5f\"}, \"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": "
        "\"ReplicaSet\", \"name\": \"web-5f\", \"controller\": true}]}, \"spec\": {\"containers\": "
        "[{\"name\": \"main\", \"resources\": {\"requests\": {\"cpu\": \"%s\"}}}]}, \"status\": "
        "{\"phase\": \"Running\"%s}}",
        name, name, cpu, status);
}

static void pods(const char *one, const char *two) {
    bench_items(&bench, "", two != NULL ? arena_printf(&bench.arena, "%s, %s", one, two) : one);
}

/* The reads before a resize in place: the workload, the vertical autoscalers, the API's resources. */
static void before_resize(const char *annotations) {
    deployment(annotations);
    bench_items(&bench, "", "");
    reply("{\"resources\": [{\"name\": \"pods\"}, {\"name\": \"pods/resize\"}]}");
}

static void expect(const struct adapter_reply *reply, enum err_class class, enum err_effect effect, const char *code) {
    cr_expect_eq(reply->error.class, class, "%s: %s", error_class_name(reply->error.class), reply->error.message);
    cr_expect_eq(reply->error.effect, effect, "effect %d: %s", (int)reply->error.effect, reply->error.message);
    cr_expect_str_eq(reply->error.code, code);
}

/* Scale. */

Test(kubernetes_apply, scale_reads_before_it_writes_and_writes_only_what_it_has_read) {
    deployment("");
    bench_items(&bench, "", "");
    bench_status(&bench, 404, "NotFound", "the server could not find the requested resource");
    reply("{}");
    const struct adapter_reply *done = scale(5);
    cr_expect_eq(done->error.class, ERR_NONE, "%s", done->error.message);
    cr_expect_str_eq(done->as.operation, "");
    cr_expect_eq(done->request_count, 4);
    cr_expect(was_asked(0, "GET /apis/apps/v1/namespaces/shop/deployments/web "));
    cr_expect(was_asked(1, "GET /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers?limit="));
    cr_expect(was_asked(2, "GET /apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects?limit="));
    cr_expect(was_asked(3, "PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale?fieldManager=trimtab "));
    cr_expect(was_asked(3, "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"replicas\":5}}"));
}

Test(kubernetes_apply, every_page_of_autoscalers_is_read_before_the_size_is_changed) {
    deployment("");
    bench_items(&bench, "more", "");
    bench_items(&bench, "",
                "{" META("auto") "}, \"spec\": {\"scaleTargetRef\": {\"kind\": \"Deployment\", \"name\": \"web\"}}}");
    bench_items(&bench, "", "");
    expect(scale(5), ERR_CONFLICT, EFFECT_NONE, "ManagedElsewhere");
    cr_expect(was_asked(2, "&continue=more"));
    cr_expect_eq(bench.server.request_count, 4);
}

Test(kubernetes_apply, failures_before_the_write_have_no_effect) {
    struct {
        int status;
        const char *reason;
        enum err_class class;
    } rows[] = {{404, "NotFound", ERR_CONFLICT},
                {403, "Forbidden", ERR_PERMISSION},
                {500, "InternalError", ERR_RETRYABLE},
                {504, "Timeout", ERR_RETRYABLE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_status(&bench, rows[i].status, rows[i].reason, "no");
        expect(scale(5), rows[i].class, EFFECT_NONE, rows[i].reason);
        deployment("");
        bench_status(&bench, rows[i].status, rows[i].reason, "no");
        expect(scale(5), rows[i].class, EFFECT_NONE, rows[i].reason);
    }
}

Test(kubernetes_apply, failures_of_the_write_say_what_it_did) {
    struct {
        int status;
        const char *reason;
        enum err_class class;
        enum err_effect effect;
    } rows[] = {{409, "Conflict", ERR_CONFLICT, EFFECT_NONE},
                {403, "Forbidden", ERR_PERMISSION, EFFECT_NONE},
                {422, "Invalid", ERR_PERMANENT, EFFECT_NONE},
                {429, "TooManyRequests", ERR_THROTTLED, EFFECT_NONE},
                {504, "Timeout", ERR_RETRYABLE, EFFECT_UNKNOWN}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        deployment("");
        bench_items(&bench, "", "");
        bench_items(&bench, "", "");
        bench_status(&bench, rows[i].status, rows[i].reason, "no");
        const struct adapter_reply *done = scale(5);
        expect(done, rows[i].class, rows[i].effect, rows[i].reason);
        cr_expect(str_has_prefix(done->error.message, "patch deployments/scale: "), "%s", done->error.message);
    }
}

Test(kubernetes_apply, a_write_whose_reply_is_lost_is_an_unknown_effect) {
    deployment("");
    bench_items(&bench, "", "");
    bench_items(&bench, "", "");
    script_raw(&bench.server, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{");
    cr_expect_eq(scale(5)->error.effect, EFFECT_UNKNOWN);
}

Test(kubernetes_apply, a_reply_that_is_no_object_changes_nothing) {
    static const char *const bodies[] = {"[]", "{}", "<html>", "", "{\"metadata\": {\"uid\": \"u\"}}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        reply(bodies[i]);
        const struct adapter_reply *done = scale(5);
        cr_expect_eq(done->error.class, ERR_RETRYABLE, "%s: %s", bodies[i], done->error.message);
        cr_expect_eq(done->error.effect, EFFECT_NONE);
        cr_expect_eq(bench.server.request_count, i + 1);
    }
}

Test(kubernetes_apply, a_cancelled_action_answers_once) {
    script_silence(&bench.server);
    const struct cloud_action action = {.verb = CLOUD_SCALE,
                                        .kind = CLOUD_WORKLOAD,
                                        .region = CLOUD_REGION_CLUSTER,
                                        .id = "shop/Deployment/web",
                                        .count = 5};
    struct adapter_call *call = bench_call(&bench, 0);
    bench.adapter->ops->apply(bench.adapter, call, &action);
    while (bench.server.request_count == 0)
        uv_run(&bench.loop, UV_RUN_ONCE);
    bench.adapter->ops->cancel(bench.adapter, call);
    bench_wait(&bench, 0);
    expect(&call->reply, ERR_CANCELLED, EFFECT_NONE, ""); /* Only a read was in flight. */
}

/* Resize in place. */

Test(kubernetes_apply, a_resize_writes_its_intent_and_then_only_the_pods_that_differ) {
    before_resize("");
    reply("{}");
    pods(pod("web-a", "100m", ""), pod("web-b", "250m", ""));
    reply("{}");
    const struct adapter_reply *done = resize(250);
    cr_expect_eq(done->error.class, ERR_NONE, "%s", done->error.message);
    cr_expect_str_eq(done->as.operation, "resize/cluster/shop/Deployment/web/250/0");
    cr_expect_gt(done->poll_after_ms, 0);
    cr_expect(was_asked(3, "PATCH /apis/apps/v1/namespaces/shop/deployments/web?force=true&fieldManager=trimtab "));
    cr_expect(was_asked(3, "application/apply-patch+yaml"));
    cr_expect(was_asked(3, "\"uid\":\"u-web\",\"annotations\":{\"trimtab.dev/requests\":"
                           "\"{\\\"cpu\\\":\\\"250m\\\"}\"}"));
    cr_expect(was_asked(4, "&labelSelector=app%3Dweb%2Ctier%20in%20%28a%2Cb%29%2C%21old "), "%s",
              script_request(&bench.server, 4));
    cr_expect(was_asked(5, "PATCH /api/v1/namespaces/shop/pods/web-a/resize?fieldManager=trimtab "));
    cr_expect(was_asked(5, "{\"metadata\":{\"uid\":\"u-web-a\"},\"spec\":{\"containers\":[{\"name\":\"main\","));
    cr_expect_eq(bench.server.request_count, 6);
}

Test(kubernetes_apply, a_cluster_without_the_subresource_is_refused_before_anything_is_written) {
    deployment("");
    bench_items(&bench, "", "");
    reply("{\"resources\": [{\"name\": \"pods\"}, {\"name\": \"pods/log\"}]}");
    const struct adapter_reply *done = resize(250);
    expect(done, ERR_PERMANENT, EFFECT_NONE, "NoInPlaceResize");
    cr_expect_not_null(strstr(done->error.message, "rollout"));
    cr_expect_eq(bench.server.request_count, 3);
}

Test(kubernetes_apply, an_intent_that_stands_already_is_not_written_again) {
    before_resize(ASKED("250m"));
    pods(pod("web-a", "250m", ""), NULL);
    cr_expect_str_eq(resize(250)->as.operation, "");
    cr_expect_eq(bench.server.request_count, 4);
}

Test(kubernetes_apply, a_resize_that_fails_between_pods_is_an_unknown_effect) {
    static const int statuses[] = {403, 422, 500};
    static const char *const reasons[] = {"Forbidden", "Invalid", "InternalError"};
    for (size_t i = 0; i < 3; i++) {
        before_resize(ASKED("250m"));
        pods(pod("web-a", "100m", ""), pod("web-b", "100m", ""));
        reply("{}");
        bench_status(&bench, statuses[i], reasons[i], "no");
        const struct adapter_reply *done = resize(250);
        cr_expect_neq(done->error.class, ERR_NONE);
        cr_expect_eq(done->error.effect, EFFECT_UNKNOWN, "%s", done->error.message);
    }
}

Test(kubernetes_apply, a_first_pod_that_is_refused_is_no_effect) {
    before_resize(ASKED("250m"));
    pods(pod("web-a", "100m", ""), NULL);
    bench_status(&bench, 403, "Forbidden", "no");
    expect(resize(250), ERR_PERMISSION, EFFECT_NONE, "Forbidden");
}

Test(kubernetes_apply, a_list_that_fails_after_the_intent_was_written_is_an_unknown_effect) {
    before_resize("");
    reply("{}");
    bench_status(&bench, 403, "Forbidden", "no");
    expect(resize(250), ERR_PERMISSION, EFFECT_UNKNOWN, "Forbidden");
}

Test(kubernetes_apply, pods_that_have_gone_or_been_replaced_are_passed_over) {
    before_resize(ASKED("250m"));
    pods(pod("web-a", "100m", ""), pod("web-b", "100m", ""));
    bench_status(&bench, 404, "NotFound", "pods \\\"web-a\\\" not found");
    bench_status(&bench, 422, "Invalid", "Pod \\\"web-b\\\" is invalid: metadata.uid: Invalid value");
    const struct adapter_reply *done = resize(250);
    cr_expect_eq(done->error.class, ERR_NONE, "%s", done->error.message);
    cr_expect_str_eq(done->as.operation, "resize/cluster/shop/Deployment/web/250/0");
}

static const char *poll_one(const char *status) {
    deployment(ASKED("250m"));
    pods(pod("web-a", "250m", status), NULL);
    const struct adapter_reply *done = poll("resize/cluster/shop/Deployment/web/250/0");
    if (done->error.class != ERR_NONE)
        return done->error.code;
    return done->as.operation[0] != '\0' ? "again" : "done";
}

#define HAS(cpu)                                                                                                       \
    ", \"containerStatuses\": [{\"name\": \"main\", \"resources\": {\"requests\": {\"cpu\": \"" cpu "\"}}}]"
#define CONDITION(type, reason)                                                                                        \
    ", \"conditions\": [{\"type\": \"" type "\", \"status\": \"True\", \"reason\": \"" reason "\"}]"

Test(kubernetes_apply, a_poll_is_done_when_the_node_runs_what_was_asked_for) {
    cr_expect_str_eq(poll_one(""), "done");
    cr_expect_str_eq(poll_one(HAS("0.25")), "done");
    cr_expect_str_eq(poll_one(HAS("100m")), "again");
    cr_expect_str_eq(poll_one(HAS("250m") CONDITION("PodResizeInProgress", "")), "again");
    cr_expect_str_eq(poll_one(HAS("100m") CONDITION("PodResizePending", "Deferred")), "again");
    cr_expect_str_eq(poll_one(HAS("100m") CONDITION("PodResizePending", "Infeasible")), "Infeasible");
    deployment(ASKED("300m"));
    expect(poll("resize/cluster/shop/Deployment/web/250/0"), ERR_CONFLICT, EFFECT_NONE, "Superseded");
    deployment("");
    expect(poll("resize/cluster/shop/Deployment/web/250/0"), ERR_CONFLICT, EFFECT_NONE, "Superseded");
}

Test(kubernetes_apply, pods_of_others_and_pods_at_their_end_are_left_alone) {
    static const char *const others[] = {
        "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"x\"}, \"status\": {\"phase\": \"Running\"}}",
        "{\"metadata\": {\"namespace\": \"shop\", \"name\": \"x\", \"labels\": {\"pod-template-hash\": \"5f\"}, "
        "\"ownerReferences\": [{\"apiVersion\": \"apps/v1\", \"kind\": \"ReplicaSet\", \"name\": \"web-2-5f\", "
        "\"controller\": true}]}, \"status\": {\"phase\": \"Running\"}}"};
    for (size_t i = 0; i < 2; i++) {
        deployment(ASKED("250m"));
        pods(others[i], NULL);
        cr_expect_str_eq(poll("resize/cluster/shop/Deployment/web/250/0")->as.operation, "");
    }
}

Test(kubernetes_apply, one_call_patches_only_so_many_pods) {
    struct buf items = {0};
    for (int i = 0; i < 55; i++)
        buf_printf(&items, "%s%s", i > 0 ? "," : "", pod(arena_printf(&bench.arena, "web-%d", i), "100m", ""));
    deployment(ASKED("250m"));
    bench_items(&bench, "", buf_text(&items));
    buf_release(&items);
    for (int i = 0; i < 50; i++)
        reply("{}");
    const struct adapter_reply *done = poll("resize/cluster/shop/Deployment/web/250/0");
    cr_expect_str_eq(done->as.operation, "resize/cluster/shop/Deployment/web/250/0");
    cr_expect_eq(done->request_count, 52);
    cr_expect_lt(done->poll_after_ms, 1000);
}

/* Refusals without a request. */

Test(kubernetes_apply, what_cannot_be_done_is_refused_without_a_request) {
    const struct cloud_action rows[] = {
        {.verb = CLOUD_CREATE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web"},
        {.verb = CLOUD_DELETE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web"},
        {.verb = CLOUD_SCALE, .kind = CLOUD_INSTANCE_GROUP, .id = "shop/Deployment/web", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/DaemonSet/web", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/PersistentVolumeClaim/web", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/a?b", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "../Deployment/b", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "web", .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = NULL, .count = 1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web", .count = -1},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web", .count = INT64_C(1) << 31},
        {.verb = CLOUD_SCALE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web", .region = "us-east-1"},
        {.verb = CLOUD_RESIZE, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web"},
        {.verb = CLOUD_TAG, .kind = CLOUD_WORKLOAD, .id = "shop/Deployment/web"},
        {.verb = CLOUD_TAKE_SNAPSHOT, .kind = CLOUD_VOLUME, .id = "shop/PersistentVolumeClaim/data"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct adapter_reply *done = act(rows[i]);
        expect(done, ERR_PERMANENT, EFFECT_NONE, "");
        cr_expect_eq(done->request_count, 0, "row %zu", i);
    }
    cr_expect_eq(bench.server.request_count, 0);
}

Test(kubernetes_apply, every_handle_that_is_not_ours_is_refused_without_a_request) {
    static const char *const handles[] = {"",
                                          "resize",
                                          "resize/cluster/shop/Deployment/web",
                                          "resize/cluster/shop/Deployment/web/1",
                                          "resize/cluster/shop/Deployment/web/0/0",
                                          "resize/cluster/shop/Deployment/web/1/1/1",
                                          "resize/elsewhere/shop/Deployment/web/1/1",
                                          "resize/cluster/shop/PersistentVolumeClaim/web/1/1",
                                          "snapshot/cluster/shop/VolumeSnapshot/a/b",
                                          "snapshot/cluster/shop/Deployment/a",
                                          "rollout/cluster/shop/Deployment/%20/1/1",
                                          "\x01\n"};
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        expect(poll(handles[i]), ERR_PERMANENT, EFFECT_NONE, "");
    char *long_one = mem_alloc(ADAPTER_OPERATION_MAX + 2);
    memset(long_one, 'a', ADAPTER_OPERATION_MAX + 1);
    expect(poll(long_one), ERR_PERMANENT, EFFECT_NONE, "");
    mem_free(long_one);
    expect(poll(NULL), ERR_PERMANENT, EFFECT_NONE, "");
    cr_expect_eq(bench.server.request_count, 0);
}

/* Snapshots. */

static const struct adapter_reply *snapshot(void) {
    return act((struct cloud_action){
        .verb = CLOUD_TAKE_SNAPSHOT, .kind = CLOUD_VOLUME, .id = "shop/PersistentVolumeClaim/data", .token = "t 1"});
}

Test(kubernetes_apply, a_snapshot_of_the_same_token_is_the_same_one) {
    reply("{" META("data") "}}");
    reply("{}");
    const char *id = arena_strdup(&bench.arena, snapshot()->id);
    cr_expect(str_has_prefix(id, "shop/VolumeSnapshot/trimtab-"), "%s", id);
    reply("{" META("data") "}}");
    bench_status(&bench, 409, "AlreadyExists", "already exists");
    reply("{\"metadata\": {\"annotations\": {\"trimtab.dev/token\": \"t 1\"}}, \"spec\": {\"source\": "
          "{\"persistentVolumeClaimName\": \"data\"}}}");
    const struct adapter_reply *again = snapshot();
    cr_expect_eq(again->error.class, ERR_NONE, "%s", again->error.message);
    cr_expect_str_eq(again->id, id);
    reply("{" META("data") "}}");
    bench_status(&bench, 409, "AlreadyExists", "already exists");
    reply("{\"spec\": {\"source\": {\"persistentVolumeClaimName\": \"other\"}}}");
    expect(snapshot(), ERR_CONFLICT, EFFECT_NONE, "AlreadyExists");
}

Test(kubernetes_apply, a_deletion_is_of_what_was_read) {
    reply("{" META("data") "}}");
    bench_items(&bench, "", "");
    reply("{}");
    const struct adapter_reply *done =
        act((struct cloud_action){.verb = CLOUD_DELETE, .kind = CLOUD_VOLUME, .id = "shop/PersistentVolumeClaim/data"});
    cr_expect_eq(done->error.class, ERR_NONE, "%s", done->error.message);
    cr_expect(was_asked(2, "DELETE /api/v1/namespaces/shop/persistentvolumeclaims/data "));
    cr_expect(was_asked(2, "\"preconditions\":{\"uid\":\"u-data\",\"resourceVersion\":\"7\"}"));
}

Test(kubernetes_apply, a_claim_that_a_pod_on_a_later_page_mounts_is_kept) {
    reply("{" META("data") "}}");
    bench_items(&bench, "more", "{" META("a") "}, \"spec\": {\"volumes\": [{\"name\": \"x\", \"emptyDir\": {}}]}}");
    bench_items(&bench, "",
                "{" META("b") "}, \"spec\": {\"volumes\": [{\"persistentVolumeClaim\": {\"claimName\": "
                              "\"data\"}}]}}");
    expect(
        act((struct cloud_action){.verb = CLOUD_DELETE, .kind = CLOUD_VOLUME, .id = "shop/PersistentVolumeClaim/data"}),
        ERR_CONFLICT, EFFECT_NONE, "Mounted");
    cr_expect_eq(bench.server.request_count, 3);
}
