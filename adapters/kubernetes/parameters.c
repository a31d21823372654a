/*
 * The `kubernetes` block of a Provider, as the manifest's decoder lets it through, checked again here because adapters
 * are also opened from elsewhere:
 *
 *     context: staging
 *     namespaces: [checkout, search]
 *     prometheus: {url: "https://prometheus.example.com"}
 *     nodePrices: [{instanceType: "bare-*", hourly: "0.42"}]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/common/prometheus.h"
#include "adapters/kubernetes/kubernetes_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define NAMESPACES_MAX 1000
#define NODE_PRICES_MAX 1000
#define NAMESPACE_SIZE_MAX 63

static enum err_class check_keys(const struct json *object, const char *where, const char *const *keys,
                                 struct error *err) {
    if (json_type(object) != JSON_OBJECT)
        return error_set(err, ERR_PERMANENT, "%s: must be an object, not %s", where, json_type_name(json_type(object)));
    for (struct json_iter it = json_iter(object); json_iter_next(&it);) {
        size_t i = 0;
        while (keys[i] != NULL && !str_eq(keys[i], it.key))
            i++;
        if (keys[i] == NULL)
            return error_set(err, ERR_PERMANENT, "%s: has no field \"%.40s\"", where, it.key);
    }
    return ERR_NONE;
}

/* It becomes part of a path. */
static bool is_namespace(const char *name) {
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size > 0 && size <= NAMESPACE_SIZE_MAX && name[size] == '\0' && name[0] != '-' && name[size - 1] != '-';
}

static enum err_class read_namespaces(struct kubernetes *self, const struct json *list, struct error *err) {
    size_t count = json_array_count(list);
    if (list == NULL)
        return ERR_NONE;
    if (json_type(list) != JSON_ARRAY || count == 0 || count > NAMESPACES_MAX)
        return error_set(err, ERR_PERMANENT, "kubernetes.namespaces: must be a list of 1 to %d names", NAMESPACES_MAX);
    const char **names = arena_alloc_array(&self->arena, count, sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string(json_array_at(list, i), "");
        if (!is_namespace(name))
            return error_set(err, ERR_PERMANENT, "kubernetes.namespaces[%zu]: not a namespace: \"%.63s\"", i, name);
        for (size_t k = 0; k < i; k++) {
            if (str_eq(names[k], name))
                return error_set(err, ERR_PERMANENT, "kubernetes.namespaces[%zu]: \"%s\" stands there twice", i, name);
        }
        names[i] = arena_strdup(&self->arena, name);
    }
    self->namespaces = names;
    self->namespace_count = count;
    return ERR_NONE;
}

static enum err_class read_prometheus(struct kubernetes *self, const struct json *block, struct error *err) {
    static const char *const keys[] = {"url", NULL};
    if (block == NULL)
        return ERR_NONE;
    if (check_keys(block, "kubernetes.prometheus", keys, err) != ERR_NONE)
        return err->class;
    const char *url = json_string(json_get(block, "url"), "");
    if (!prometheus_url_is_valid(url))
        return error_set(err, ERR_PERMANENT,
                         "kubernetes.prometheus.url: must be an http or https address without user, query or fragment");
    self->prometheus_url = prometheus_url_trim(url, &self->arena);
    return ERR_NONE;
}

static enum err_class read_node_prices(struct kubernetes *self, const struct json *list, struct error *err) {
    static const char *const keys[] = {"instanceType", "hourly", NULL};
    size_t count = json_array_count(list);
    if (list == NULL)
        return ERR_NONE;
    if (json_type(list) != JSON_ARRAY || count > NODE_PRICES_MAX)
        return error_set(err, ERR_PERMANENT, "kubernetes.nodePrices: must be a list of at most %d", NODE_PRICES_MAX);
    struct kubernetes_node_price *prices = arena_alloc_array(&self->arena, count, sizeof(*prices));
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_array_at(list, i);
        const char *where = arena_printf(&self->arena, "kubernetes.nodePrices[%zu]", i);
        if (check_keys(item, where, keys, err) != ERR_NONE)
            return err->class;
        const char *type = json_string(json_get(item, "instanceType"), "");
        const char *hourly = json_string(json_get(item, "hourly"), "");
        if (type[0] == '\0')
            return error_set(err, ERR_PERMANENT, "%s.instanceType: must be a text with * and ? as in a glob", where);
        if (!money_parse(hourly, &prices[i].hourly) || prices[i].hourly < 0)
            return error_set(err, ERR_PERMANENT, "%s.hourly: must be a decimal text like \"0.42\"", where);
        prices[i].instance_type = arena_strdup(&self->arena, type);
    }
    self->node_prices = prices;
    self->node_price_count = count;
    return ERR_NONE;
}

enum err_class kubernetes_parameters_read(struct kubernetes *self, const struct json *parameters, struct error *err) {
    static const char *const keys[] = {"context", "namespaces", "prometheus", "nodePrices", NULL};
    if (parameters == NULL)
        return ERR_NONE;
    if (check_keys(parameters, "kubernetes", keys, err) != ERR_NONE)
        return err->class;
    const struct json *context = json_get(parameters, "context");
    if (context != NULL && json_string(context, "")[0] == '\0')
        return error_set(err, ERR_PERMANENT, "kubernetes.context: must be the name of a context of the kubeconfig");
    if (read_namespaces(self, json_get(parameters, "namespaces"), err) != ERR_NONE ||
        read_prometheus(self, json_get(parameters, "prometheus"), err) != ERR_NONE)
        return err->class;
    return read_node_prices(self, json_get(parameters, "nodePrices"), err);
}
