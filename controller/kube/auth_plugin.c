/*
 * An exec plugin's one run: the question in its environment, the answer on its standard output, under limits of time
 * and size. It runs in a session of its own, so that what it starts in turn dies with it.
 *
 * Invariant: a plugin ends when its four handles (process, two pipes, timer) are closed, and only then calls done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "kube/auth_internal.h"

#define GRACE_MS 2000     /* For the end of the output after the plugin's own end: a child may hold the pipe. */
#define COMPLAINT_MAX 120 /* Of standard error, in our message. */

struct kube_plugin {
    const struct kube_config *config;
    kube_plugin_done_fn *done;
    void *ctx;
    uv_process_t process;
    uv_pipe_t out, complaints;
    uv_timer_t timer;
    unsigned handles_open;
    bool exited;
    int64_t exit_status;
    int signal;
    struct error error; /* The reason why we ended it, or why it did not start. */
    struct buf reply, tail;
    char chunk[16 << 10];
};

static void wipe_buf(struct buf *buf) {
    if (buf->data)
        mem_wipe(buf->data, buf->capacity);
    buf_release(buf);
}

static void wipe_text(char *text) {
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

void kube_credential_release(struct kube_credential *credential) {
    wipe_text(credential->token);
    wipe_text(credential->cert_pem);
    wipe_text(credential->key_pem);
    *credential = (struct kube_credential){0};
}

/* ---- The answer ---- */

static enum err_class parse_status(const struct json *status, struct kube_credential *credential, struct error *err) {
    const char *token = json_string(json_get(status, "token"), NULL);
    const char *cert = json_string(json_get(status, "clientCertificateData"), NULL);
    const char *key = json_string(json_get(status, "clientKeyData"), NULL);
    const char *expires = json_string(json_get(status, "expirationTimestamp"), NULL);
    if (json_type(status) != JSON_OBJECT)
        return error_set(err, ERR_PERMANENT, "its reply has no status");
    if (!cert != !key || (cert && (!strstr(cert, "-----BEGIN ") || !strstr(key, "-----BEGIN "))))
        return error_set(err, ERR_PERMANENT, "clientCertificateData and clientKeyData must both be PEM");
    if (token && !str_is_visible(token))
        return error_set(err, ERR_PERMANENT, "its token is empty or contains what no header can carry");
    if (!token && !cert)
        return error_set(err, ERR_PERMANENT, "its reply has neither a token nor a client certificate");
    int64_t expires_ms = 0;
    if (expires && !time_parse(expires, &expires_ms))
        return error_set(err, ERR_PERMANENT, "its expirationTimestamp is not a time");
    *credential = (struct kube_credential){
        .token = mem_strdup(token), .cert_pem = mem_strdup(cert), .key_pem = mem_strdup(key), .expires_ms = expires_ms};
    return ERR_NONE;
}

enum err_class kube_credential_parse(struct bytes text, const char *api_version, struct kube_credential *ret,
                                     struct error *err) {
    struct json *root = NULL;
    struct error ignored; /* It may quote the text. */
    if (json_parse(text, &root, &ignored) != ERR_NONE)
        return error_set(err, ERR_PERMANENT, "its output is not JSON");
    const char *kind = json_string(json_get(root, "kind"), ""), *version;
    version = json_string(json_get(root, "apiVersion"), "");
    enum err_class class;
    if (!str_eq(kind, "ExecCredential"))
        class = error_set(err, ERR_PERMANENT, "its output is not an ExecCredential");
    else if (!str_eq(version, api_version))
        class =
            error_set(err, ERR_PERMANENT, "it answered in %.60s, asked in %s; the kubeconfig's apiVersion must match",
                      version, api_version);
    else
        class = parse_status(json_get(root, "status"), ret, err);
    json_free(root);
    return class;
}

/* ---- The question ---- */

static void write_cluster(struct json_writer *w, const struct kube_config *config) {
    jw_key(w, "cluster");
    jw_open(w, '{');
    jw_put_string(w, "server", config->server);
    jw_put_string(w, "tls-server-name", config->server_name);
    if (config->ca_pem) {
        struct buf text = {0};
        base64_encode(bytes_of(config->ca_pem), &text);
        jw_put_string(w, "certificate-authority-data", buf_text(&text));
        buf_release(&text);
    }
    jw_close(w, '}');
}

static char *exec_info(const struct kube_config *config) {
    struct buf text = {0};
    struct json_writer w = {.out = &text};
    buf_puts(&text, "KUBERNETES_EXEC_INFO=");
    jw_open(&w, '{');
    jw_put_string(&w, "kind", "ExecCredential");
    jw_put_string(&w, "apiVersion", config->exec->api_version);
    jw_key(&w, "spec");
    jw_open(&w, '{');
    if (config->exec->provide_cluster_info)
        write_cluster(&w, config);
    jw_put_bool(&w, "interactive", false);
    jw_close(&w, '}');
    jw_close(&w, '}');
    return buf_take(&text);
}

static bool is_same_name(const char *a, const char *b) {
    size_t size = strcspn(a, "=");
    return strncmp(a, b, size) == 0 && b[size] == '=';
}

/* Ours, then the kubeconfig's, then the question; a later one takes the place of an earlier one of its name. */
static void env_put(char **env, size_t *count, char *variable) {
    for (size_t i = 0; i < *count; i++)
        if (is_same_name(variable, env[i])) {
            wipe_text(env[i]);
            env[i] = variable;
            return;
        }
    env[(*count)++] = variable;
}

static char **child_env(const struct kube_config *config) {
    size_t count_max = 2, count = 0;
    for (size_t i = 0; environ[i]; i++)
        count_max++;
    for (size_t i = 0; config->exec->env && config->exec->env[i]; i++)
        count_max++;
    char **env = mem_alloc_array(count_max, sizeof(*env));
    for (size_t i = 0; environ[i]; i++)
        if (strchr(environ[i], '='))
            env_put(env, &count, mem_strdup(environ[i]));
    for (size_t i = 0; config->exec->env && config->exec->env[i]; i++)
        env_put(env, &count, mem_strdup(config->exec->env[i]));
    env_put(env, &count, exec_info(config));
    return env;
}

static char **child_args(const struct kube_exec *exec) {
    size_t count = 0;
    while (exec->args && exec->args[count])
        count++;
    char **args = mem_alloc_array(count + 2, sizeof(*args));
    args[0] = mem_strdup(exec->command);
    for (size_t i = 0; i < count; i++)
        args[i + 1] = mem_strdup(exec->args[i]);
    return args;
}

static void texts_free(char **texts) {
    for (size_t i = 0; texts[i]; i++)
        wipe_text(texts[i]);
    mem_free(texts);
}

/* ---- The end ---- */

/* The last words of standard error, on one line. */
static void explain_exit(struct kube_plugin *plugin, struct error *err) {
    struct buf *tail = &plugin->tail;
    while (tail->size > 0 && strchr(" \r\n\t", tail->data[tail->size - 1]))
        tail->data[--tail->size] = '\0';
    if (tail->size > COMPLAINT_MAX)
        buf_consume(tail, tail->size - COMPLAINT_MAX);
    while (tail->size > 0 && ((unsigned char)tail->data[0] & 0xc0) == 0x80) /* Cut within a character. */
        buf_consume(tail, 1);
    for (size_t i = 0; i < tail->size; i++)
        if ((unsigned char)tail->data[i] < ' ' || tail->data[i] == 0x7f)
            tail->data[i] = ' ';
    const char *colon = tail->size > 0 ? ": " : "";
    if (plugin->signal != 0)
        error_set(err, ERR_RETRYABLE, "ended by signal %d%s%s", plugin->signal, colon, buf_text(tail));
    else /* It may be a fault of the network as well as of the user's login. */
        error_set(err, ERR_RETRYABLE, "exit status %d%s%s", (int)plugin->exit_status, colon, buf_text(tail));
}

static void finish(struct kube_plugin *plugin) {
    const char *command = plugin->config->exec->command;
    struct kube_credential credential = {0};
    struct error err = plugin->error;
    if (err.class == ERR_NONE && (plugin->signal != 0 || plugin->exit_status != 0))
        explain_exit(plugin, &err);
    if (err.class == ERR_NONE)
        err.class =
            kube_credential_parse(buf_bytes(&plugin->reply), plugin->config->exec->api_version, &credential, &err);
    if (err.class != ERR_NONE)
        error_wrap(&err, "credential plugin %.60s", command);
    plugin->done(plugin->ctx, err.class == ERR_NONE ? &credential : NULL, &err);
    wipe_buf(&plugin->reply);
    wipe_buf(&plugin->tail);
    mem_wipe(plugin->chunk, sizeof(plugin->chunk));
    mem_free(plugin);
}

static void on_closed(uv_handle_t *handle) {
    struct kube_plugin *plugin = handle->data;
    if (--plugin->handles_open == 0)
        finish(plugin);
}

static void close_handle(void *handle) {
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void close_timer_if_last(struct kube_plugin *plugin) {
    if (plugin->exited && uv_is_closing((uv_handle_t *)&plugin->out) &&
        uv_is_closing((uv_handle_t *)&plugin->complaints))
        close_handle(&plugin->timer);
}

static void end(struct kube_plugin *plugin, const struct error *reason) {
    if (plugin->error.class == ERR_NONE)
        plugin->error = *reason;
    if (!plugin->exited && uv_kill(-plugin->process.pid, SIGKILL) != 0)
        (void)uv_kill(plugin->process.pid, SIGKILL);
    close_handle(&plugin->out); /* What left the group could hold the pipes open. */
    close_handle(&plugin->complaints);
    close_timer_if_last(plugin);
}

static void on_timeout(uv_timer_t *timer) {
    struct kube_plugin *plugin = timer->data;
    struct error err = {0};
    if (plugin->exited) { /* It answered; somebody else holds the pipes. */
        close_handle(&plugin->out);
        close_handle(&plugin->complaints);
        close_timer_if_last(plugin);
        return;
    }
    error_set(&err, ERR_RETRYABLE, "no answer within the time limit; killed");
    end(plugin, &err);
}

void kube_plugin_cancel(struct kube_plugin *plugin) {
    struct error err = {0};
    error_set(&err, ERR_CANCELLED, "cancelled");
    plugin->error = err;
    end(plugin, &err);
}

/* ---- The run ---- */

static void on_child_exit(uv_process_t *process, int64_t exit_status, int signal) {
    struct kube_plugin *plugin = process->data;
    plugin->exited = true;
    plugin->exit_status = exit_status;
    plugin->signal = signal;
    if (!uv_is_closing((uv_handle_t *)&plugin->timer))
        uv_timer_start(&plugin->timer, on_timeout, GRACE_MS, 0);
    close_handle(process);
    close_timer_if_last(plugin);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
    (void)suggested;
    struct kube_plugin *plugin = handle->data;
    *ret = uv_buf_init(plugin->chunk, sizeof(plugin->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *chunk) {
    struct kube_plugin *plugin = stream->data;
    bool is_reply = stream == (uv_stream_t *)&plugin->out;
    if (size == 0)
        return;
    if (size < 0) {
        close_handle(stream);
        close_timer_if_last(plugin);
        return;
    }
    if (!is_reply) { /* Only its end is of interest. */
        buf_append(&plugin->tail, chunk->base, (size_t)size);
        if (plugin->tail.size > COMPLAINT_MAX * 2)
            buf_consume(&plugin->tail, plugin->tail.size - COMPLAINT_MAX * 2);
        return;
    }
    struct error err = {0};
    if (plugin->reply.size + (size_t)size <= KUBE_PLUGIN_OUTPUT_MAX) {
        buf_append(&plugin->reply, chunk->base, (size_t)size);
        return;
    }
    error_set(&err, ERR_PERMANENT, "its output is larger than 1 MiB; killed");
    end(plugin, &err);
}

static void explain_spawn(const struct kube_exec *exec, int reason, struct error *err) {
    if (reason == UV_ENOENT) /* PERMISSION: there is no credential, and there will be none by trying again. */
        error_set(err, ERR_PERMISSION, "not found%s%s%.100s", strchr(exec->command, '/') ? "" : " in PATH",
                  exec->install_hint ? ": " : "", exec->install_hint ? exec->install_hint : "");
    else
        error_set(err, ERR_PERMISSION, "cannot be run: %s", uv_strerror(reason));
}

static void spawn(struct kube_plugin *plugin, uv_loop_t *loop, uint32_t timeout_ms) {
    const struct kube_exec *exec = plugin->config->exec;
    char **env = child_env(plugin->config), **args = child_args(exec);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&plugin->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&plugin->complaints},
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = exec->command,
        .args = args,
        .env = env,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = stdio,
    };
    int reason = uv_spawn(loop, &plugin->process, &options);
    texts_free(env);
    texts_free(args);
    if (reason == 0)
        reason = uv_read_start((uv_stream_t *)&plugin->out, on_alloc, on_read);
    if (reason == 0)
        reason = uv_read_start((uv_stream_t *)&plugin->complaints, on_alloc, on_read);
    if (reason == 0) {
        uv_timer_start(&plugin->timer, on_timeout, timeout_ms, 0);
        return;
    }
    struct error err = {0};
    explain_spawn(exec, reason, &err);
    if (plugin->process.pid == 0) { /* Nothing runs, so on_child_exit will not come. */
        plugin->exited = true;
        close_handle(&plugin->process);
    }
    end(plugin, &err);
}

struct kube_plugin *kube_plugin_start(uv_loop_t *loop, const struct kube_config *config, uint32_t timeout_ms,
                                      kube_plugin_done_fn *done, void *ctx) {
    struct kube_plugin *plugin = mem_alloc(sizeof(*plugin));
    plugin->config = config;
    plugin->done = done;
    plugin->ctx = ctx;
    (void)uv_pipe_init(loop, &plugin->out, 0);
    (void)uv_pipe_init(loop, &plugin->complaints, 0);
    (void)uv_timer_init(loop, &plugin->timer);
    plugin->process.data = plugin->out.data = plugin->complaints.data = plugin->timer.data = plugin;
    plugin->handles_open = 4;
    spawn(plugin, loop, timeout_ms);
    return plugin;
}
