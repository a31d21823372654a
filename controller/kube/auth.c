/*
 * Which credential is used now, how old it is, and who waits for the next one. A plugin's run is auth_plugin.c's.
 *
 *     static            always ready
 *     token file        ready once it was read; read again when it changed, and each minute
 *     plugin            ready from its reply until a minute before the reply's end
 *
 * Clocks are the runtime's; the time limit of a plugin is real time. Invariant: waiters are told from the loop only,
 * from `later` or from the end of a plugin, never from inside a call of this header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/auth.h"

#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/auth_internal.h"

#define PLUGIN_TIMEOUT_MS 60000
#define FILE_AGE_MAX_NS (60 * NS_PER_S)
#define EXPIRY_LEAD_MS 60000
#define EXPIRY_USE_MIN_MS                                                                                              \
    10000 /* A short-lived credential is used so long, or every request would ask for another.                         \
           */

struct waiter {
    kube_auth_done_fn *done;
    void *ctx;
    struct waiter *next;
};

struct tls_version {
    struct http_tls *tls;
    struct tls_version *next;
};

struct kube_auth {
    struct runtime *rt;
    uv_loop_t *loop;
    struct arena arena; /* The copy of the configuration. */
    struct kube_config config;
    struct kube_credential credential; /* The plugin's last.  */
    char *header;
    struct tls_version *tls; /* The newest first. */

    bool file_was_tried;
    uint64_t file_tried_ns;
    struct stat file_stat;

    bool has_reply;
    int64_t refresh_at_ms; /* Wall; INT64_MAX: the reply named no end. */
    struct kube_plugin *plugin;
    uint32_t plugin_timeout_ms;

    struct waiter *waiters, **waiters_end;
    struct error outcome; /* What the waiters are told by `later`. */
    uv_timer_t later;
    bool closing, later_closed;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- Making ---- */

static const char *const *copy_list(struct arena *arena, const char *const *list) {
    size_t count = 0;
    while (list && list[count])
        count++;
    const char **copy = list ? arena_alloc_array(arena, count + 1, sizeof(*copy)) : NULL;
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_strdup(arena, list[i]);
    return copy;
}

/* Only what is read here: the server and the trust for a plugin's question, and the credentials. */
static void copy_config(struct kube_auth *auth, const struct kube_config *config) {
    struct arena *arena = &auth->arena;
    auth->config = (struct kube_config){
        .server = arena_strdup(arena, config->server),
        .ca_pem = arena_strdup(arena, config->ca_pem),
        .cert_pem = arena_strdup(arena, config->cert_pem),
        .key_pem = arena_strdup(arena, config->key_pem),
        .server_name = arena_strdup(arena, config->server_name),
        .token = arena_strdup(arena, config->token),
        .token_file = arena_strdup(arena, config->token_file),
    };
    if (!config->exec)
        return;
    struct kube_exec *exec = arena_alloc(arena, sizeof(*exec));
    *exec = (struct kube_exec){
        .command = arena_strdup(arena, config->exec->command),
        .args = copy_list(arena, config->exec->args),
        .env = copy_list(arena, config->exec->env),
        .api_version = arena_strdup(arena, config->exec->api_version),
        .provide_cluster_info = config->exec->provide_cluster_info,
        .install_hint = arena_strdup(arena, config->exec->install_hint),
    };
    auth->config.exec = exec;
}

static void wipe(const char *text) {
    if (text) /* It lies in our own arena, const only for its readers. */
        mem_wipe((char *)(uintptr_t)text, strlen(text));
}

static void set_header(struct kube_auth *auth, const char *token) {
    wipe(auth->header);
    mem_free(auth->header);
    auth->header = token ? mem_printf("Authorization: Bearer %s", token) : NULL;
}

static void set_tls(struct kube_auth *auth, const char *cert_pem, const char *key_pem) {
    if (!str_has_prefix(auth->config.server, "https://"))
        return;
    struct http_tls_options options = {
        .ca_pem = auth->config.ca_pem,
        .cert_pem = cert_pem,
        .key_pem = key_pem,
        .server_name = auth->config.server_name,
    };
    struct tls_version *version = mem_alloc(sizeof(*version));
    *version = (struct tls_version){.tls = http_tls_new(&options), .next = auth->tls};
    auth->tls = version;
}

struct kube_auth *kube_auth_new(struct runtime *rt, uv_loop_t *loop, const struct kube_config *config) {
    struct kube_auth *auth = mem_alloc(sizeof(*auth));
    auth->rt = rt;
    auth->loop = loop;
    auth->plugin_timeout_ms = PLUGIN_TIMEOUT_MS;
    auth->waiters_end = &auth->waiters;
    copy_config(auth, config);
    set_header(auth, auth->config.token);
    set_tls(auth, auth->config.cert_pem, auth->config.key_pem);
    (void)uv_timer_init(loop, &auth->later);
    auth->later.data = auth;
    return auth;
}

void kube_auth_set_plugin_timeout(struct kube_auth *auth, uint32_t timeout_ms) {
    auth->plugin_timeout_ms = timeout_ms;
}

/* ---- Waiters ---- */

/* Those that ask again from inside wait for the next time. */
static void tell(struct kube_auth *auth, const struct error *error) {
    struct error copy = *error;
    struct waiter *waiter = auth->waiters;
    auth->waiters = NULL;
    auth->waiters_end = &auth->waiters;
    while (waiter) {
        struct waiter *next = waiter->next;
        waiter->done(waiter->ctx, &copy);
        mem_free(waiter);
        waiter = next;
    }
}

static void on_later(uv_timer_t *timer) {
    struct kube_auth *auth = timer->data;
    tell(auth, &auth->outcome);
}

static void close_step(struct kube_auth *auth) {
    if (!auth->closing || !auth->later_closed || auth->plugin)
        return;
    struct error err = {0};
    error_set(&err, ERR_CANCELLED, "the client was closed");
    while (auth->waiters)
        tell(auth, &err);
    auth->closed(auth->closed_ctx);
}

/* ---- A token file ---- */

/* The file of a projected token is a link to a link, so that a rotation shows as another inode. */
static bool file_changed(const struct kube_auth *auth, const struct stat *now) {
    const struct stat *then = &auth->file_stat;
    return now->st_ino != then->st_ino || now->st_dev != then->st_dev || now->st_size != then->st_size ||
           now->st_mtim.tv_sec != then->st_mtim.tv_sec || now->st_mtim.tv_nsec != then->st_mtim.tv_nsec;
}

static enum err_class read_token(const char *path, char **ret, struct error *err) {
    struct buf text = {0};
    enum err_class class = file_read_into(path, &text, err);
    if (class == ERR_NONE) {
        while (text.size > 0 && strchr(" \r\n\t", text.data[text.size - 1]))
            text.data[--text.size] = '\0';
        if (strlen(buf_text(&text)) != text.size || !str_is_visible(buf_text(&text)))
            class = error_set(err, ERR_PERMISSION, "%s: not a token", path);
        else
            *ret = mem_strdup(buf_text(&text));
    } else {
        class = ERR_PERMISSION; /* No credential: that is how callers are to react. */
        err->class = class;
    }
    if (text.data)
        mem_wipe(text.data, text.capacity);
    buf_release(&text);
    return class;
}

/* A token that was good stays when the file cannot be read: it may be in the middle of its rotation. */
static enum err_class read_file(struct kube_auth *auth, struct error *err) {
    char *token = NULL;
    auth->file_was_tried = true;
    auth->file_tried_ns = runtime_mono_ns(auth->rt);
    if (stat(auth->config.token_file, &auth->file_stat) != 0)
        auth->file_stat = (struct stat){0};
    if (read_token(auth->config.token_file, &token, err) != ERR_NONE) {
        if (auth->header)
            log_warn("token file cannot be read; the last token is kept", LOG_ERR(err));
        return error_wrap(err, "token file");
    }
    set_header(auth, token);
    wipe(token);
    mem_free(token);
    return ERR_NONE;
}

static void read_file_if_due(struct kube_auth *auth) {
    struct stat now = {0};
    if (auth->file_was_tried && runtime_mono_ns(auth->rt) - auth->file_tried_ns < FILE_AGE_MAX_NS &&
        (stat(auth->config.token_file, &now) != 0 || !file_changed(auth, &now)))
        return;
    struct error err = {0};
    if (read_file(auth, &err) != ERR_NONE)
        return; /* Said in the log if a token is kept, by the refresh otherwise. */
}

/* ---- A plugin ---- */

static void take(struct kube_auth *auth, const struct kube_credential *credential) {
    const char *cert = credential->cert_pem ? credential->cert_pem : auth->config.cert_pem;
    const char *key = credential->key_pem ? credential->key_pem : auth->config.key_pem;
    bool is_new = !str_eq(credential->cert_pem, auth->credential.cert_pem) ||
                  !str_eq(credential->key_pem, auth->credential.key_pem);
    set_header(auth, credential->token);
    if (is_new)
        set_tls(auth, cert, key);
    kube_credential_release(&auth->credential);
    auth->credential = *credential;
    auth->has_reply = true;
    auth->refresh_at_ms = INT64_MAX;
    if (credential->expires_ms != 0) {
        int64_t earliest_ms = runtime_wall_ms(auth->rt) + EXPIRY_USE_MIN_MS;
        int64_t refresh_at_ms = credential->expires_ms - EXPIRY_LEAD_MS;
        auth->refresh_at_ms = refresh_at_ms > earliest_ms ? refresh_at_ms : earliest_ms;
    }
}

static void on_plugin_done(void *ctx, struct kube_credential *credential, const struct error *error) {
    struct kube_auth *auth = ctx;
    auth->plugin = NULL;
    if (credential && auth->closing)
        kube_credential_release(credential);
    else if (credential)
        take(auth, credential);
    if (auth->closing)
        close_step(auth);
    else
        tell(auth, error);
}

/* ---- The interface ---- */

bool kube_auth_is_ready(struct kube_auth *auth) {
    if (auth->config.token_file) {
        read_file_if_due(auth);
        return auth->header != NULL;
    }
    return !auth->config.exec || (auth->has_reply && runtime_wall_ms(auth->rt) < auth->refresh_at_ms);
}

const char *kube_auth_header(const struct kube_auth *auth) {
    return auth->header;
}

const struct http_tls *kube_auth_tls(const struct kube_auth *auth) {
    return auth->tls ? auth->tls->tls : NULL;
}

void kube_auth_refresh(struct kube_auth *auth, kube_auth_done_fn *done, void *ctx) {
    struct waiter *waiter = mem_alloc(sizeof(*waiter));
    *waiter = (struct waiter){.done = done, .ctx = ctx};
    *auth->waiters_end = waiter;
    auth->waiters_end = &waiter->next;
    if (auth->closing || auth->plugin)
        return;
    if (auth->config.exec && !auth->config.token_file) {
        auth->plugin = kube_plugin_start(auth->loop, &auth->config, auth->plugin_timeout_ms, on_plugin_done, auth);
        return;
    }
    struct error err = {0};
    if (auth->config.token_file && read_file(auth, &err) != ERR_NONE)
        auth->outcome = err;
    else
        auth->outcome = (struct error){0};
    uv_timer_start(&auth->later, on_later, 0, 0);
}

static void on_later_closed(uv_handle_t *handle) {
    struct kube_auth *auth = handle->data;
    auth->later_closed = true;
    close_step(auth);
}

void kube_auth_close(struct kube_auth *auth, void (*closed)(void *ctx), void *ctx) {
    ASSERT(!auth->closing);
    auth->closing = true;
    auth->closed = closed;
    auth->closed_ctx = ctx;
    uv_close((uv_handle_t *)&auth->later, on_later_closed);
    if (auth->plugin)
        kube_plugin_cancel(auth->plugin);
}

void kube_auth_free(struct kube_auth *auth) {
    ASSERT(auth->closing && auth->later_closed && !auth->plugin);
    while (auth->tls) {
        struct tls_version *version = auth->tls;
        auth->tls = version->next;
        http_tls_free(version->tls);
        mem_free(version);
    }
    set_header(auth, NULL);
    kube_credential_release(&auth->credential);
    wipe(auth->config.token);
    wipe(auth->config.key_pem);
    arena_release(&auth->arena);
    mem_free(auth);
}
