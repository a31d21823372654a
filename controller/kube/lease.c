/*
 * One call at a time, and its machine:
 *
 *     WAITING --timer--> READING --not there------------> CREATING --done--> WAITING
 *        |                 | ^ +-----ours, free, expired--> WRITING --done--> WAITING
 *        |                 | +--409 or 404, once a round----+ ^
 *        |                 +--held by another--> WAITING      |
 *        +--we lead, and know the record----------------------+
 *     any --stop, when the call under way has ended--> READING if in doubt --> RELEASING if ours --> STOPPED
 *
 * Invariants. We lead only from a write that the server confirmed, and valid_until counts from when that write was
 * sent: others begin to count when they see it, which is later. A holder has expired only when its record has stood
 * still for its duration on our own monotonic clock. A write carries the resourceVersion that was read, so it cannot
 * overwrite a record that we have not judged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/lease.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"

#define STOP_LIMIT_NS (2 * NS_PER_S)
#define LEASES_PATH "/apis/coordination.k8s.io/v1/namespaces/"

enum lease_state { WAITING, READING, CREATING, WRITING, RELEASING, STOPPED, STATE_COUNT };

struct kube_lease {
    struct kube_client *client;
    struct runtime *rt;
    struct kube_lease_options options;
    char *namespace, *name, *identity;
    char *collection_path, *path;

    enum lease_state state;
    struct kube_call call;
    struct buf body;
    struct timer retry;    /* The next round. */
    struct timer deadline; /* Leading: when to step down. Stopping: when to give up. */
    bool is_calling;
    bool is_reread; /* In this round, or while stopping, the record has already been read anew. */
    bool is_stale;  /* A write failed: what is observed may not be what is there. */

    struct json *observed; /* The Lease as last read or written; NULL: none. */
    uint64_t observed_hash;
    uint64_t observed_ns; /* When its spec was first seen as it is. */

    bool is_leader;
    uint64_t sent_ns; /* When the call under way was sent. */
    uint64_t valid_until_ns;
    uint64_t acquired_ns;

    bool is_stopping;
    bool is_out_of_time; /* For stopping. */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void round_begin(struct kube_lease *lease);

static void lease_enter(struct kube_lease *lease, enum lease_state next) {
    static const uint8_t edges[STATE_COUNT] = {
        [WAITING] = 1 << READING | 1 << WRITING | 1 << RELEASING | 1 << STOPPED,
        [READING] = 1 << WAITING | 1 << CREATING | 1 << WRITING | 1 << RELEASING | 1 << STOPPED,
        [CREATING] = 1 << WAITING | 1 << READING | 1 << RELEASING | 1 << STOPPED,
        [WRITING] = 1 << WAITING | 1 << READING | 1 << RELEASING | 1 << STOPPED,
        [RELEASING] = 1 << READING | 1 << STOPPED,
    };
    ASSERT(edges[lease->state] & 1 << next);
    lease->state = next;
}

/* ---- What we know of the record. ---- */

static const struct json *spec_of(const struct kube_lease *lease) {
    return json_get(lease->observed, "spec");
}

static const char *holder_of(const struct kube_lease *lease) {
    return json_string(json_get(spec_of(lease), "holderIdentity"), "");
}

static bool is_ours(const struct kube_lease *lease) {
    return str_eq(holder_of(lease), lease->identity);
}

/* Takes a copy, for the reply dies with the call. */
static void observe(struct kube_lease *lease, const struct json *object) {
    uint64_t hash = json_hash(json_get(object, "spec"));
    if (!lease->observed || hash != lease->observed_hash)
        lease->observed_ns = runtime_mono_ns(lease->rt);
    lease->observed_hash = hash;
    json_free(lease->observed);
    lease->observed = json_copy(object);
    lease->is_stale = false;
}

static bool is_expired(const struct kube_lease *lease) {
    /* The holder's own word on how long it may believe itself the leader. */
    int64_t seconds = json_int(json_get(spec_of(lease), "leaseDurationSeconds"), 0);
    uint64_t duration_ns = lease->options.lease_duration_ms * NS_PER_MS;
    if (seconds > 0 && seconds <= UINT32_MAX)
        duration_ns = (uint64_t)seconds * NS_PER_S;
    return runtime_mono_ns(lease->rt) - lease->observed_ns >= duration_ns;
}

/* ---- Leading. ---- */

static void step_down(struct kube_lease *lease, const char *why) {
    if (!lease->is_leader)
        return;
    lease->is_leader = false;
    lease->valid_until_ns = 0;
    timer_stop(lease->rt, &lease->deadline);
    log_info("no longer the leader", LOG_STR("lease", lease->name), LOG_STR("why", why));
    lease->options.on_change(lease->options.ctx, false);
}

static void on_renew_deadline(struct timer *timer) {
    struct kube_lease *lease = timer->ctx;
    /* A renewal under way can no longer help; the record may yet be ours, which the next round sees. */
    if (lease->is_calling)
        kube_call_cancel(&lease->call);
    step_down(lease, "the lease could not be renewed in time");
}

/* A write that makes us the holder, sent at sent_ns, has succeeded. */
static void confirm(struct kube_lease *lease) {
    uint64_t now_ns = runtime_mono_ns(lease->rt);
    uint64_t step_down_ns = lease->sent_ns + lease->options.renew_deadline_ms * NS_PER_MS;
    if (now_ns >= step_down_ns)
        return; /* Confirmed too late to lead on it; the next round renews. */
    lease->valid_until_ns = lease->sent_ns + lease->options.lease_duration_ms * NS_PER_MS;
    timer_start(lease->rt, &lease->deadline, step_down_ns - now_ns, on_renew_deadline, lease);
    if (lease->is_leader)
        return;
    lease->is_leader = true;
    lease->acquired_ns = now_ns;
    log_info("became the leader", LOG_STR("lease", lease->name), LOG_STR("identity", lease->identity));
    lease->options.on_change(lease->options.ctx, true);
}

/* ---- Writing the record. ---- */

static void set_time(struct json *spec, const char *key, int64_t wall_ms) {
    char text[TIME_TEXT_MAX];
    time_format_micro(wall_ms, text);
    json_object_set(spec, key, json_new_string(text, strlen(text)));
}

/* The spec with us as its holder, or released; what others have put there stays. */
static struct json *make_spec(const struct kube_lease *lease, bool is_release) {
    const struct json *old = spec_of(lease);
    struct json *spec = json_type(old) == JSON_OBJECT ? json_copy(old) : json_new_object();
    const char *holder = is_release ? "" : lease->identity;
    int64_t seconds = is_release ? 1 : ((int64_t)lease->options.lease_duration_ms + 999) / 1000;
    int64_t transitions = json_int(json_get(old, "leaseTransitions"), 0);
    int64_t wall_ms = runtime_wall_ms(lease->rt);
    bool is_new_holder = !is_ours(lease);

    json_object_set(spec, "holderIdentity", json_new_string(holder, strlen(holder)));
    json_object_set(spec, "leaseDurationSeconds", json_new_int(seconds));
    set_time(spec, "renewTime", wall_ms);
    if (is_new_holder || is_release || !json_get(old, "acquireTime"))
        set_time(spec, "acquireTime", wall_ms);
    json_object_set(spec, "leaseTransitions", json_new_int(transitions + (is_new_holder && lease->observed ? 1 : 0)));
    return spec;
}

static void make_body(struct kube_lease *lease, bool is_release) {
    struct json *object = lease->observed ? json_copy(lease->observed) : json_new_object();
    if (!lease->observed) {
        struct json *metadata = json_new_object();
        json_object_set(metadata, "name", json_new_string(lease->name, strlen(lease->name)));
        json_object_set(metadata, "namespace", json_new_string(lease->namespace, strlen(lease->namespace)));
        json_object_set(object, "apiVersion", json_new_string("coordination.k8s.io/v1", 22));
        json_object_set(object, "kind", json_new_string("Lease", 5));
        json_object_set(object, "metadata", metadata);
    }
    json_object_set(object, "spec", make_spec(lease, is_release));
    buf_clear(&lease->body);
    json_print(object, &lease->body);
    json_free(object);
}

/* ---- Calls. ---- */

static void on_done(struct kube_call *call);

static void call_begin(struct kube_lease *lease, enum lease_state state, const char *method, const char *path) {
    bool has_body = state != READING;
    lease_enter(lease, state);
    lease->call = (struct kube_call){
        .method = method,
        .path = path,
        .content_type = has_body ? "application/json" : NULL,
        .body = has_body ? buf_bytes(&lease->body) : (struct bytes){0},
        /* Half, so that one that hangs leaves time for another before the deadline. */
        .timeout_ms = lease->options.renew_deadline_ms / 2,
        .is_urgent = true,
        .done = on_done,
        .ctx = lease,
    };
    lease->is_calling = true;
    lease->sent_ns = runtime_mono_ns(lease->rt);
    kube_call_send(lease->client, &lease->call);
}

static void read_begin(struct kube_lease *lease) {
    call_begin(lease, READING, "GET", lease->path);
}

static void write_begin(struct kube_lease *lease) {
    make_body(lease, false);
    call_begin(lease, WRITING, "PUT", lease->path);
}

static void create_begin(struct kube_lease *lease) {
    json_free(lease->observed);
    lease->observed = NULL;
    make_body(lease, false);
    call_begin(lease, CREATING, "POST", lease->collection_path);
}

static void on_retry(struct timer *timer) {
    round_begin(timer->ctx);
}

static void wait_begin(struct kube_lease *lease) {
    /* Candidates spread, as in client-go; the leader keeps its pace but for a little. */
    uint64_t period_ns = lease->options.retry_period_ms * NS_PER_MS;
    uint64_t spread_ns = runtime_jitter(lease->rt, lease->is_leader ? period_ns / 10 : period_ns + period_ns / 5);
    lease_enter(lease, WAITING);
    timer_start(lease->rt, &lease->retry, period_ns + spread_ns, on_retry, lease);
}

static void round_begin(struct kube_lease *lease) {
    lease->is_reread = false;
    if (lease->is_leader && lease->observed && !lease->is_stale)
        write_begin(lease); /* We know the record: one call, not two. */
    else
        read_begin(lease);
}

/* What is there has been read, or is known not to be. */
static void read_done(struct kube_lease *lease, const struct error *error) {
    if (error->http_status == 404) {
        create_begin(lease);
        return;
    }
    if (error->class == ERR_NONE && !is_ours(lease))
        step_down(lease, "another replica holds the lease");
    if (lease->is_stopping)
        return; /* Asked for in on_change. */
    if (error->class == ERR_NONE && (is_ours(lease) || !*holder_of(lease) || is_expired(lease)))
        write_begin(lease);
    else
        wait_begin(lease);
}

static void write_done(struct kube_lease *lease, const struct error *error) {
    bool has_moved = error->http_status == 409 || error->http_status == 404;
    if (has_moved && !lease->is_reread) {
        lease->is_reread = true;
        read_begin(lease);
        return;
    }
    wait_begin(lease);
    if (error->class == ERR_NONE)
        confirm(lease); /* Last: the reader may stop us in on_change. */
}

static void on_stop_step(struct timer *timer);

static void on_done(struct kube_call *call) {
    struct kube_lease *lease = call->ctx;
    struct error error = call->error;
    bool is_write = lease->state != READING;
    lease->is_calling = false;
    if (error.class == ERR_NONE && !call->reply)
        error_set(&error, ERR_RETRYABLE, "the reply is empty");
    if (error.class == ERR_NONE)
        observe(lease, call->reply);
    else if (is_write)
        lease->is_stale = true; /* It may have arrived all the same. */
    kube_call_release(call);
    /* A record that moved is ordinary; a creation that finds nothing lacks its namespace. */
    bool is_ordinary = error.class == ERR_NONE || error.class == ERR_CANCELLED || error.http_status == 409 ||
                       (error.http_status == 404 && lease->state != CREATING);
    if (!is_ordinary)
        log_warn("lease call failed", LOG_STR("lease", lease->name), LOG_ERR(&error));

    if (lease->is_stopping)
        timer_start(lease->rt, &lease->retry, 0, on_stop_step, lease);
    else if (is_write)
        write_done(lease, &error);
    else
        read_done(lease, &error);
}

/* ---- Life. ---- */

static void on_first_round(struct timer *timer) {
    round_begin(timer->ctx);
}

struct kube_lease *kube_lease_start(struct kube_client *client, struct runtime *rt,
                                    const struct kube_lease_options *options) {
    ASSERT(options->namespace && options->name && options->identity && *options->identity && options->on_change);
    ASSERT(options->retry_period_ms > 0 && options->retry_period_ms < options->renew_deadline_ms);
    ASSERT(options->renew_deadline_ms < options->lease_duration_ms);
    struct kube_lease *lease = mem_alloc(sizeof(*lease));
    lease->client = client;
    lease->rt = rt;
    lease->options = *options;
    lease->namespace = mem_strdup(options->namespace);
    lease->name = mem_strdup(options->name);
    lease->identity = mem_strdup(options->identity);
    lease->collection_path = mem_printf(LEASES_PATH "%s/leases", lease->namespace);
    lease->path = mem_printf("%s/%s", lease->collection_path, lease->name);
    timer_start(rt, &lease->retry, 0, on_first_round, lease);
    return lease;
}

static void stop_finish(struct kube_lease *lease) {
    lease_enter(lease, STOPPED);
    timer_stop(lease->rt, &lease->retry);
    timer_stop(lease->rt, &lease->deadline);
    json_free(lease->observed);
    buf_release(&lease->body);
    mem_free(lease->namespace);
    mem_free(lease->name);
    mem_free(lease->identity);
    mem_free(lease->collection_path);
    mem_free(lease->path);
    if (lease->stopped)
        lease->stopped(lease->stopped_ctx);
    mem_free(lease);
}

/* No call is under way: the next thing to do before the end. A release that conflicts is tried again once. */
static void on_stop_step(struct timer *timer) {
    struct kube_lease *lease = timer->ctx;
    ASSERT(lease->is_stopping && !lease->is_calling);
    if (!lease->is_out_of_time && lease->is_stale && !lease->is_reread) {
        lease->is_reread = true;
        read_begin(lease);
    } else if (!lease->is_out_of_time && !lease->is_stale && is_ours(lease)) {
        make_body(lease, true);
        call_begin(lease, RELEASING, "PUT", lease->path);
    } else {
        stop_finish(lease);
    }
}

static void on_stop_limit(struct timer *timer) {
    struct kube_lease *lease = timer->ctx;
    lease->is_out_of_time = true;
    if (lease->is_calling)
        kube_call_cancel(&lease->call);
}

void kube_lease_stop(struct kube_lease *lease, void (*stopped)(void *ctx), void *ctx) {
    ASSERT(!lease->is_stopping);
    lease->is_stopping = true;
    lease->is_reread = false;
    lease->stopped = stopped;
    lease->stopped_ctx = ctx;
    step_down(lease, "stopping");
    timer_start(lease->rt, &lease->deadline, STOP_LIMIT_NS, on_stop_limit, lease);
    if (!lease->is_calling)
        timer_start(lease->rt, &lease->retry, 0, on_stop_step, lease);
}

uint64_t kube_lease_valid_until_ns(const struct kube_lease *lease) {
    return lease->valid_until_ns;
}

bool kube_lease_is_leader(const struct kube_lease *lease) {
    return lease->is_leader;
}

uint64_t kube_lease_acquired_ns(const struct kube_lease *lease) {
    return lease->acquired_ns;
}

void kube_lease_metrics(const struct kube_lease *lease, struct buf *out) {
    buf_puts(out, "# HELP leader_election_master_status Whether this replica leads (1) or not (0).\n"
                  "# TYPE leader_election_master_status gauge\n");
    buf_printf(out, "leader_election_master_status{name=\"%s\"} %d\n", lease->name, lease->is_leader ? 1 : 0);
}
