/*
 * Kubeconfigs and the in-cluster ServiceAccount. libyaml's documents are read in place: the few values that matter are
 * looked up and copied into the caller's arena, all else is ignored as kubectl does.
 *
 *     files  ->  documents (checked: one, no aliases, no key twice)  ->  context  ->  cluster, user  ->  kube_config
 *
 * The first error is kept in the loader and all later look-ups then give NULL, so that reading needs no branches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define FILES_MAX 32
#define DEPTH_MAX 64
#define LIST_MAX 1024 /* Arguments or variables of a plugin. */

struct source {
    const char *origin; /* The path, or what kube_config_parse was given. */
    const char *dir;    /* Of relative paths, with its "/"; NULL: a text that may name no file. */
    yaml_document_t document;
};

struct loader {
    struct arena *arena;
    struct error *err;
    enum err_class class; /* Of the first error. */
    struct source sources[FILES_MAX];
    size_t count;
};

/* A node and the document that it is in; node NULL: absent. */
struct place {
    struct source *source;
    yaml_node_t *node;
};

static void fail(struct loader *l, struct place at, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fail(struct loader *l, struct place at, const char *format, ...) {
    if (l->class != ERR_NONE)
        return;
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (at.node)
        l->class = error_set(l->err, ERR_PERMANENT, "kubeconfig %s:%zu: %s", at.source->origin,
                             at.node->start_mark.line + 1, buf_text(&text));
    else
        l->class = error_set(l->err, ERR_PERMANENT, "kubeconfig%s%s: %s", at.source ? " " : "",
                             at.source ? at.source->origin : "", buf_text(&text));
    buf_release(&text);
}

/* ---- A document ---- */

static void check_keys(struct loader *l, struct source *source, yaml_node_t *node) {
    struct map keys = {0};
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        struct place key = {source, yaml_document_get_node(&source->document, p->key)};
        if (key.node->type != YAML_SCALAR_NODE)
            fail(l, key, "a key must be a scalar");
        else if (map_put(&keys, (const char *)key.node->data.scalar.value, key.node))
            fail(l, key, "key \"%.60s\" stands twice", (const char *)key.node->data.scalar.value);
    }
    map_release(&keys);
}

static void check_document(struct loader *l, struct source *source) {
    yaml_document_t *document = &source->document;
    for (yaml_node_t *node = document->nodes.start; node < document->nodes.top; node++) {
        if (node->type == YAML_SCALAR_NODE && strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
            fail(l, (struct place){source, node}, "a string contains a NUL character");
        if (node->type == YAML_MAPPING_NODE)
            check_keys(l, source, node);
    }
}

static void fail_line(struct loader *l, struct source *source, size_t line, const char *problem) {
    fail(l, (struct place){.source = source}, "line %zu: %s", line + 1, problem);
}

static void fail_parser(struct loader *l, struct source *source, const yaml_parser_t *parser) {
    fail_line(l, source, parser->problem_mark.line, parser->problem ? parser->problem : "not valid YAML");
}

/* What the document API would take, at a price: libyaml needs time quadratic in the depth, and aliases would make of
 * the tree a graph, with cycles. So the events are looked at first. */
static bool check_event(struct loader *l, struct source *source, const yaml_event_t *event, int *depth,
                        int *document_count) {
    size_t line = event->start_mark.line;
    if (event->type == YAML_ALIAS_EVENT)
        fail_line(l, source, line, "aliases are not taken");
    if (event->type == YAML_DOCUMENT_START_EVENT && ++*document_count > 1)
        fail_line(l, source, line, "more than one document");
    if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        ++*depth;
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        --*depth;
    if (*depth > DEPTH_MAX)
        fail_line(l, source, line, "nested too deeply");
    return l->class == ERR_NONE && event->type != YAML_STREAM_END_EVENT;
}

static void parser_open(yaml_parser_t *parser, struct bytes text) {
    if (!yaml_parser_initialize(parser))
        abort(); /* Out of memory, as in base/mem.h. */
    yaml_parser_set_input_string(parser, (const unsigned char *)(text.data ? text.data : ""), text.size);
}

static void check_events(struct loader *l, struct source *source, struct bytes text) {
    yaml_parser_t parser;
    yaml_event_t event;
    int depth = 0, document_count = 0;
    parser_open(&parser, text);
    for (bool goes_on = true; goes_on;) {
        if (!yaml_parser_parse(&parser, &event)) {
            fail_parser(l, source, &parser);
            break;
        }
        goes_on = check_event(l, source, &event, &depth, &document_count);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

/* ---- Look-ups ---- */

static bool is_null(const yaml_node_t *node) {
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *text = (const char *)node->data.scalar.value;
    return !*text || str_eq(text, "~") || str_eq(text, "null") || str_eq(text, "Null") || str_eq(text, "NULL");
}

static struct place get(struct loader *l, struct place object, const char *key) {
    struct place none = {.source = object.source};
    if (!object.node || l->class != ERR_NONE)
        return none;
    if (object.node->type != YAML_MAPPING_NODE) {
        fail(l, object, "an object with \"%s\" is expected here", key);
        return none;
    }
    yaml_document_t *document = &object.source->document;
    for (yaml_node_pair_t *p = object.node->data.mapping.pairs.start; p < object.node->data.mapping.pairs.top; p++) {
        if (!str_eq((const char *)yaml_document_get_node(document, p->key)->data.scalar.value, key))
            continue;
        struct place value = {object.source, yaml_document_get_node(document, p->value)};
        return is_null(value.node) ? none : value;
    }
    return none;
}

static const char *text_of(struct loader *l, struct place value, const char *what) {
    if (!value.node || l->class != ERR_NONE)
        return NULL;
    if (value.node->type != YAML_SCALAR_NODE) {
        fail(l, value, "%s must be a string", what);
        return NULL;
    }
    return arena_strdup(l->arena, (const char *)value.node->data.scalar.value);
}

/* NULL if absent or empty: `kubectl config` writes empty strings for what is not set. */
static const char *get_text(struct loader *l, struct place object, const char *key) {
    const char *text = text_of(l, get(l, object, key), key);
    return text && *text ? text : NULL;
}

static bool get_bool(struct loader *l, struct place object, const char *key) {
    const char *text = get_text(l, object, key);
    if (!text || str_eq(text, "false") || str_eq(text, "False") || str_eq(text, "FALSE"))
        return false;
    if (!str_eq(text, "true") && !str_eq(text, "True") && !str_eq(text, "TRUE"))
        fail(l, get(l, object, key), "%s must be true or false", key);
    return true;
}

static size_t list_size(struct loader *l, struct place list, const char *what) {
    if (!list.node || l->class != ERR_NONE)
        return 0;
    size_t size = 0;
    if (list.node->type == YAML_SEQUENCE_NODE)
        size = (size_t)(list.node->data.sequence.items.top - list.node->data.sequence.items.start);
    else
        fail(l, list, "%s must be a list", what);
    return size;
}

static struct place list_at(struct place list, size_t index) {
    yaml_node_item_t item = list.node->data.sequence.items.start[index];
    return (struct place){list.source, yaml_document_get_node(&list.source->document, item)};
}

static const char *const *get_texts(struct loader *l, struct place object, const char *key, size_t count_max) {
    struct place list = get(l, object, key);
    size_t count = list_size(l, list, key);
    if (count > count_max)
        fail(l, list, "%s has more than %zu items", key, count_max);
    if (count == 0 || l->class != ERR_NONE)
        return NULL;
    const char **texts = arena_alloc_array(l->arena, count + 1, sizeof(*texts));
    for (size_t i = 0; i < count; i++)
        texts[i] = text_of(l, list_at(list, i), key);
    return texts;
}

static struct place root_of(struct source *source) {
    return (struct place){source, yaml_document_get_root_node(&source->document)};
}

/* The first file that has the name wins, whole. The value is below `key` ("cluster") of an item of `list`. */
static struct place find_named(struct loader *l, const char *list_key, const char *key, const char *name) {
    for (size_t i = 0; i < l->count; i++) {
        struct place list = get(l, root_of(&l->sources[i]), list_key);
        size_t count = list_size(l, list, list_key);
        for (size_t k = 0; k < count && l->class == ERR_NONE; k++) {
            struct place item = list_at(list, k);
            if (!str_eq(get_text(l, item, "name"), name))
                continue;
            struct place value = get(l, item, key);
            if (!value.node)
                fail(l, item, "%s \"%.60s\" is empty", key, name);
            return value;
        }
    }
    fail(l, (struct place){.source = l->count > 0 ? &l->sources[0] : NULL}, "no %s is named \"%.60s\"%s", key, name,
         l->count > 1 ? " here or in the other files of KUBECONFIG" : "");
    return (struct place){0};
}

/* ---- Certificates and paths ---- */

static const char *get_path(struct loader *l, struct place object, const char *key) {
    const char *path = get_text(l, object, key), *dir = object.source ? object.source->dir : NULL;
    if (!path)
        return NULL;
    if (!dir) {
        fail(l, get(l, object, key), "%s names a file; put its content here instead", key);
        return NULL;
    }
    return *path == '/' ? path : arena_printf(l->arena, "%s%s", dir, path);
}

static const char *checked_pem(struct loader *l, struct place at, const struct buf *pem, const char *key) {
    if (strlen(buf_text(pem)) != pem->size || !strstr(buf_text(pem), "-----BEGIN "))
        fail(l, at, "%s is not PEM", key);
    return l->class == ERR_NONE ? arena_strndup(l->arena, pem->data, pem->size) : NULL;
}

/* The -data form wins over the file, as with kubectl. */
static const char *get_pem(struct loader *l, struct place object, const char *key) {
    const char *data_key = arena_printf(l->arena, "%s-data", key), *pem = NULL;
    struct buf buf = {0};
    const char *data = get_text(l, object, data_key);
    if (data) {
        if (!base64_decode(bytes_of(data), &buf))
            fail(l, get(l, object, data_key), "%s is not base64", data_key);
        else
            pem = checked_pem(l, get(l, object, data_key), &buf, data_key);
    } else {
        struct error err;
        const char *path = get_path(l, object, key);
        if (path && file_read_into(path, &buf, &err) != ERR_NONE)
            fail(l, get(l, object, key), "%s: %s", key, err.message);
        else if (path)
            pem = checked_pem(l, get(l, object, key), &buf, path);
    }
    if (buf.data)
        mem_wipe(buf.data, buf.capacity);
    buf_release(&buf);
    return pem;
}

/* ---- Cluster ---- */

static bool is_loopback(const char *host) {
    size_t size = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    return (size == 9 && strncmp(host, "localhost", 9) == 0) || (size == 5 && strncmp(host, "[::1]", 5) == 0) ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == size);
}

static const char *get_server(struct loader *l, struct place cluster) {
    const char *server = get_text(l, cluster, "server");
    if (!server) {
        fail(l, cluster, "the cluster has no server");
        return NULL;
    }
    struct place at = get(l, cluster, "server");
    bool is_plain = str_has_prefix(server, "http://");
    if (!is_plain && !str_has_prefix(server, "https://"))
        fail(l, at, "server must begin with https://");
    else if (is_plain && !is_loopback(server + strlen("http://")))
        fail(l, at, "server: plain http is taken for loopback only; use https");
    else if (strpbrk(server, "?#@") || !str_is_visible(server))
        fail(l, at, "server must be an address without user, query or blanks");
    size_t size = strlen(server);
    while (size > 0 && server[size - 1] == '/')
        size--;
    return arena_strndup(l->arena, server, size);
}

static void read_cluster(struct loader *l, struct place cluster, struct kube_config *config) {
    config->server = get_server(l, cluster);
    if (get_bool(l, cluster, "insecure-skip-tls-verify"))
        fail(l, cluster,
             "insecure-skip-tls-verify: true is refused; give certificate-authority-data, and tls-server-name if only "
             "the name differs");
    if (get_text(l, cluster, "proxy-url"))
        fail(l, cluster, "proxy-url is not supported; reach the server directly or through a tunnel");
    config->ca_pem = get_pem(l, cluster, "certificate-authority");
    config->server_name = get_text(l, cluster, "tls-server-name");
}

/* ---- User ---- */

static const char *const *exec_env(struct loader *l, struct place exec) {
    struct place list = get(l, exec, "env");
    size_t count = list_size(l, list, "env");
    if (count > LIST_MAX)
        fail(l, list, "env has more than %d items", LIST_MAX);
    if (count == 0 || l->class != ERR_NONE)
        return NULL;
    const char **env = arena_alloc_array(l->arena, count + 1, sizeof(*env));
    for (size_t i = 0; i < count && l->class == ERR_NONE; i++) {
        const char *name = get_text(l, list_at(list, i), "name");
        const char *value = text_of(l, get(l, list_at(list, i), "value"), "value");
        if (!name || strchr(name, '='))
            fail(l, list_at(list, i), "an item of env needs a name without \"=\"");
        env[i] = arena_printf(l->arena, "%s=%s", name ? name : "", value ? value : "");
    }
    return env;
}

static const struct kube_exec *read_exec(struct loader *l, struct place exec, struct place cluster) {
    struct kube_exec *ret = arena_alloc(l->arena, sizeof(*ret));
    ret->api_version = get_text(l, exec, "apiVersion");
    ret->command = get_text(l, exec, "command");
    ret->args = get_texts(l, exec, "args", LIST_MAX);
    ret->env = exec_env(l, exec);
    ret->provide_cluster_info = get_bool(l, exec, "provideClusterInfo");
    ret->install_hint = get_text(l, exec, "installHint");
    if (!exec.source->dir)
        fail(l, exec, "a plugin (exec) may not be run for this; give a token or a client certificate instead");
    if (!str_eq(ret->api_version, "client.authentication.k8s.io/v1") &&
        !str_eq(ret->api_version, "client.authentication.k8s.io/v1beta1"))
        fail(l, exec, "exec: apiVersion must be client.authentication.k8s.io/v1 or v1beta1");
    if (!ret->command)
        fail(l, exec, "exec: command is missing");
    else if (strchr(ret->command, '/')) /* A bare name is looked up in PATH. */
        ret->command = get_path(l, exec, "command");
    if (str_eq(get_text(l, exec, "interactiveMode"), "Always"))
        fail(l, exec, "exec: a plugin with interactiveMode: Always cannot be asked without a terminal");
    struct place extensions = get(l, cluster, "extensions");
    size_t count = ret->provide_cluster_info ? list_size(l, extensions, "extensions") : 0;
    for (size_t i = 0; i < count; i++)
        if (str_eq(get_text(l, list_at(extensions, i), "name"), "client.authentication.k8s.io/exec"))
            fail(l, list_at(extensions, i), "the extension client.authentication.k8s.io/exec is not supported");
    return ret;
}

static void read_impersonation(struct loader *l, struct place user, struct kube_config *config) {
    config->impersonate_user = get_text(l, user, "as");
    config->impersonate_groups = get_texts(l, user, "as-groups", KUBE_IMPERSONATE_GROUPS_MAX);
    if (config->impersonate_groups && !config->impersonate_user)
        fail(l, user, "as-groups needs as");
    if (get_text(l, user, "as-uid") || get(l, user, "as-user-extra").node)
        fail(l, user, "as-uid and as-user-extra are not supported");
    for (size_t i = 0; l->class == ERR_NONE && config->impersonate_groups && config->impersonate_groups[i]; i++)
        if (!str_is_visible(config->impersonate_groups[i]))
            fail(l, user, "as-groups: a group must be visible ASCII");
    if (l->class == ERR_NONE && config->impersonate_user && !str_is_visible(config->impersonate_user))
        fail(l, user, "as must be visible ASCII");
}

static void read_user(struct loader *l, struct place user, struct place cluster, struct kube_config *config) {
    config->cert_pem = get_pem(l, user, "client-certificate");
    config->key_pem = get_pem(l, user, "client-key");
    if (!config->cert_pem != !config->key_pem)
        fail(l, user, "client-certificate and client-key belong together; one is missing");
    config->token = get_text(l, user, "token");
    if (config->token && !str_is_visible(config->token))
        fail(l, get(l, user, "token"), "token contains what no header can carry");
    config->token_file = get_path(l, user, "tokenFile");
    if (get_text(l, user, "username") || get_text(l, user, "password"))
        fail(l, user, "username and password are not supported; use a token, a client certificate or exec");
    if (get(l, user, "auth-provider").node)
        fail(l, user, "auth-provider was removed from Kubernetes 1.26; use exec with the cloud's plugin");
    read_impersonation(l, user, config);
    struct place exec = get(l, user, "exec");
    if (exec.node && !config->token && !config->token_file)
        config->exec = read_exec(l, exec, cluster);
}

/* ---- The whole ---- */

static void read_config(struct loader *l, const char *context_name, struct kube_config *config) {
    for (size_t i = 0; !context_name && i < l->count; i++)
        context_name = get_text(l, root_of(&l->sources[i]), "current-context");
    if (!context_name) {
        fail(l, (struct place){.source = &l->sources[0]}, "no current-context; name one with --context");
        return;
    }
    struct place context = find_named(l, "contexts", "context", context_name);
    config->context = arena_strdup(l->arena, context_name);
    config->namespace = get_text(l, context, "namespace");
    if (!config->namespace)
        config->namespace = "default";
    const char *cluster_name = get_text(l, context, "cluster"), *user_name = get_text(l, context, "user");
    if (!cluster_name) {
        fail(l, context, "context \"%.60s\" names no cluster", context_name);
        return;
    }
    struct place cluster = find_named(l, "clusters", "cluster", cluster_name);
    read_cluster(l, cluster, config);
    if (user_name)
        read_user(l, find_named(l, "users", "user", user_name), cluster, config);
}

static void add_source(struct loader *l, struct bytes text, const char *origin, const char *dir) {
    struct source *source = &l->sources[l->count];
    *source = (struct source){.origin = origin, .dir = dir};
    struct place at = {.source = source};
    if (text.size > KUBE_CONFIG_SIZE_MAX) {
        fail(l, at, "larger than 1 MiB");
        return;
    }
    check_events(l, source, text);
    if (l->class != ERR_NONE)
        return;
    yaml_parser_t parser;
    parser_open(&parser, text);
    if (yaml_parser_load(&parser, &source->document))
        l->count++;
    else
        fail_parser(l, source, &parser);
    yaml_parser_delete(&parser);
    if (l->class == ERR_NONE)
        check_document(l, source);
    struct place root = l->class == ERR_NONE ? root_of(source) : at;
    const char *kind = get_text(l, root, "kind"), *version = get_text(l, root, "apiVersion");
    if ((kind && !str_eq(kind, "Config")) || (version && !str_eq(version, "v1")))
        fail(l, at, "this is a %s of %s, not a Config of v1", kind ? kind : "Config", version ? version : "v1");
}

static void add_file(struct loader *l, const char *path, bool may_be_missing) {
    if (l->count == FILES_MAX) {
        fail(l, (struct place){0}, "KUBECONFIG names more than %d files", FILES_MAX);
        return;
    }
    struct buf text = {0};
    struct error err;
    const char *slash = strrchr(path, '/');
    if (l->class == ERR_NONE && file_read_into(path, &text, &err) != ERR_NONE) {
        if (!may_be_missing || !str_eq(err.code, "NotFound"))
            fail(l, (struct place){0}, "%s", err.message);
    } else if (l->class == ERR_NONE) {
        const char *dir = slash ? arena_strndup(l->arena, path, (size_t)(slash - path) + 1) : "./";
        add_source(l, buf_bytes(&text), arena_strdup(l->arena, path), dir);
    }
    if (text.data)
        mem_wipe(text.data, text.capacity);
    buf_release(&text);
}

/* As kubectl: files of the list that do not exist are passed over, a single one must be there. */
static void add_environment_files(struct loader *l) {
    const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (!list || !*list) {
        if (!home || !*home)
            fail(l, (struct place){0}, "neither KUBECONFIG nor HOME is set");
        else
            add_file(l, arena_printf(l->arena, "%s/.kube/config", home), false);
        return;
    }
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ":");
        if (size > 0)
            add_file(l, arena_strndup(l->arena, at, size), true);
        at += size + (at[size] == ':');
    }
    if (l->count == 0)
        fail(l, (struct place){0}, "no file of KUBECONFIG=%s exists", list);
}

static enum err_class finish(struct loader *l, const char *context, struct kube_config *ret) {
    struct kube_config config = {0};
    if (l->class == ERR_NONE)
        read_config(l, context, &config);
    for (size_t i = 0; i < l->count; i++)
        yaml_document_delete(&l->sources[i].document);
    if (l->class == ERR_NONE)
        *ret = config;
    return l->class;
}

enum err_class kube_config_load(const char *path, const char *context, struct arena *arena, struct kube_config *ret,
                                struct error *err) {
    struct loader l = {.arena = arena, .err = err};
    if (path)
        add_file(&l, path, false);
    else
        add_environment_files(&l);
    return finish(&l, context, ret);
}

enum err_class kube_config_parse(const char *text, size_t size, const char *origin, const char *context,
                                 struct arena *arena, struct kube_config *ret, struct error *err) {
    struct loader l = {.arena = arena, .err = err};
    add_source(&l, (struct bytes){text, size}, origin, NULL);
    return finish(&l, context, ret);
}

/* ---- In the cluster ---- */

static enum err_class read_account_file(const char *path, struct arena *arena, const char **ret, struct error *err) {
    struct buf text = {0};
    enum err_class class = file_read_into(path, &text, err);
    if (class == ERR_NONE) {
        while (text.size > 0 && strchr(" \r\n\t", text.data[text.size - 1]))
            text.size--;
        *ret = arena_strndup(arena, buf_text(&text), text.size);
    }
    buf_release(&text);
    return class;
}

enum err_class kube_config_in_cluster(const char *root, struct arena *arena, struct kube_config *ret,
                                      struct error *err) {
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return error_set(err, ERR_PERMANENT,
                         "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; name a "
                         "file with --kubeconfig");
    const char *dir = arena_printf(arena, "%s/var/run/secrets/kubernetes.io/serviceaccount", root);
    struct kube_config config = {.token_file = arena_printf(arena, "%s/token", dir)};
    const char *token = NULL;
    enum err_class class = read_account_file(config.token_file, arena, &token, err);
    if (class == ERR_NONE)
        class = read_account_file(arena_printf(arena, "%s/ca.crt", dir), arena, &config.ca_pem, err);
    if (class != ERR_NONE)
        return error_wrap(err, "in-cluster (is automountServiceAccountToken off?)");
    if (!strstr(config.ca_pem, "-----BEGIN "))
        return error_set(err, ERR_PERMANENT, "in-cluster: %s/ca.crt is not PEM", dir);
    if (!str_is_visible(token))
        return error_set(err, ERR_PERMANENT, "in-cluster: %s is not a token", config.token_file);
    struct error ignored;
    if (read_account_file(arena_printf(arena, "%s/namespace", dir), arena, &config.namespace, &ignored) != ERR_NONE ||
        !*config.namespace)
        config.namespace = "default";
    config.server = arena_printf(arena, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    config.context = "in-cluster";
    *ret = config;
    return ERR_NONE;
}
