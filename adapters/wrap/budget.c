/*
 * The registry of budgets: who shares which. An account's budgets go when its last gate closes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapters/wrap/budget.h"

#include <stdlib.h>

#include "adapters/wrap/budget_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct budget_registry *budget_registry_new(struct runtime *runtime, struct metrics *metrics) {
    struct budget_registry *registry = mem_alloc(sizeof(*registry));
    registry->runtime = runtime;
    registry->metrics = metrics;
    return registry;
}

static void gate_free(struct budget_gate *gate) {
    mem_free(gate->endpoint);
    mem_free(gate);
}

static void account_free(struct budget_account *account) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&account->apis, &i));)
        budget_api_free(entry->value);
    map_release(&account->apis);
    for (struct budget_gate *gate = account->gates, *next; gate; gate = next) {
        next = gate->next;
        gate_free(gate);
    }
    mem_free(account->key);
    mem_free(account->cloud);
    mem_free(account->name);
    mem_free(account);
}

void budget_registry_free(struct budget_registry *registry) {
    struct map_entry *entry;
    if (!registry)
        return;
    for (size_t i = 0; (entry = map_next(&registry->accounts, &i));)
        account_free(entry->value);
    map_release(&registry->accounts);
    mem_free(registry);
}

/* Takes key. */
static struct budget_account *account_get(struct budget_registry *registry, char *key, const char *cloud,
                                          const char *name) {
    struct budget_account *account = map_get(&registry->accounts, key);
    if (account) {
        mem_free(key);
        return account;
    }
    account = mem_alloc(sizeof(*account));
    *account =
        (struct budget_account){.registry = registry, .key = key, .cloud = mem_strdup(cloud), .name = mem_strdup(name)};
    map_put(&registry->accounts, key, account);
    return account;
}

static char *api_key(const char *name, const char *region) {
    return mem_printf("%s/%s", name, region);
}

static struct budget_api *api_get(struct budget_account *account, const struct gate_request *request) {
    char *key = api_key(request->api, request->region);
    struct budget_api *api = map_get(&account->apis, key);
    if (!api) {
        api = budget_api_new(account, request->api, request->region);
        map_put(&account->apis, key, api);
    }
    mem_free(key);
    return api;
}

static void sharers_changed(struct budget_account *account) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&account->apis, &i));)
        budget_api_set_rate(entry->value);
}

/* ---- the gate's three operations ---- */

static struct budget_gate *gate_of(const struct adapter_gate *gate) {
    return CONTAINER_OF((struct adapter_gate *)(uintptr_t)gate, struct budget_gate, base);
}

static bool gate_ask(struct adapter_gate *base, struct gate_request *request) {
    struct budget_gate *gate = gate_of(base);
    return budget_api_ask(api_get(gate->account, request), gate, request);
}

static void gate_cancel(struct adapter_gate *base, struct gate_request *request) {
    (void)base;
    if (request->state)
        budget_api_cancel(request->state);
}

static void gate_report(struct adapter_gate *base, struct gate_request *request, const struct error *error) {
    budget_api_take_report(api_get(gate_of(base)->account, request), request, error);
}

static const struct adapter_gate_ops ops = {gate_ask, gate_cancel, gate_report};

/* ---- opening, joining, closing ---- */

struct adapter_gate *budget_gate_open(struct budget_registry *registry, const struct budget_gate_options *options) {
    struct budget_gate *gate = mem_alloc(sizeof(*gate));
    *gate = (struct budget_gate){.base = {&ops},
                                 .endpoint = mem_strdup(options->endpoint ? options->endpoint : ""),
                                 .requests_per_second = options->requests_per_second,
                                 .changed = options->changed,
                                 .ctx = options->ctx};
    char *key = mem_printf("%s %s provider %s", options->cloud, gate->endpoint, options->provider);
    gate->account = account_get(registry, key, options->cloud, options->provider);
    gate->next = gate->account->gates;
    gate->account->gates = gate;
    sharers_changed(gate->account);
    return &gate->base;
}

/* The account goes if nobody is left. */
static void leave(struct budget_gate *gate) {
    struct budget_account *account = gate->account;
    struct budget_gate **at = &account->gates;
    while (*at != gate)
        at = &(*at)->next;
    *at = gate->next;
    if (account->gates) {
        sharers_changed(account);
        return;
    }
    map_remove(&account->registry->accounts, account->key);
    account_free(account);
}

/* All that `from` knows and holds, as its only gate moves. */
static void merge(struct budget_account *to, struct budget_account *from) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&from->apis, &i));) {
        struct budget_api *api = entry->value, *known = map_get(&to->apis, entry->key);
        if (known) {
            budget_api_merge(known, api);
            budget_api_free(api);
        } else {
            budget_metrics_forget(api);
            api->account = to;
            map_put(&to->apis, entry->key, api);
        }
    }
    map_release(&from->apis);
    from->apis = (struct map){0};
}

/* Only who waits: what is known stays with those who stay. */
static void move_waiters(struct budget_account *to, struct budget_account *from, const struct budget_gate *gate) {
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&from->apis, &i));) {
        struct budget_api *api = entry->value;
        budget_api_move_waiters(api_get(to, &(struct gate_request){.api = api->name, .region = api->region}), api,
                                gate);
    }
}

void budget_gate_join(struct adapter_gate *base, const char *account) {
    struct budget_gate *gate = gate_of(base);
    struct budget_account *from = gate->account;
    char *key = mem_printf("%s %s account %s", from->cloud, gate->endpoint, account);
    struct budget_account *to = account_get(from->registry, key, from->cloud, account);
    if (to == from)
        return;
    if (from->gates == gate && gate->next == NULL)
        merge(to, from);
    else
        move_waiters(to, from, gate);
    leave(gate);
    gate->account = to;
    gate->next = to->gates;
    to->gates = gate;
    sharers_changed(to);
}

void budget_gate_close(struct adapter_gate *base) {
    struct budget_gate *gate;
    if (!base)
        return;
    gate = gate_of(base);
    leave(gate);
    gate_free(gate);
}

/* ---- the report ---- */

const char *budget_circuit_name(enum budget_circuit circuit) {
    static const char *const names[] = {"Closed", "HalfOpen", "Open"};
    return names[circuit];
}

static int api_cmp(const void *a, const void *b) {
    const struct budget_api *const *x = a, *const *y = b;
    int order = str_cmp((*x)->name, (*y)->name);
    return order != 0 ? order : str_cmp((*x)->region, (*y)->region);
}

void budget_report(const struct adapter_gate *gate, budget_report_fn *each, void *ctx) {
    const struct budget_account *account = gate_of(gate)->account;
    const struct budget_api **sorted = mem_alloc_array(account->apis.count, sizeof(struct budget_api *));
    struct map_entry *entry;
    size_t count = 0;
    for (size_t i = 0; (entry = map_next(&account->apis, &i));)
        sorted[count++] = entry->value;
    if (count > 1)
        qsort(sorted, count, sizeof(struct budget_api *), api_cmp);
    for (size_t i = 0; i < count; i++) {
        struct budget_view view;
        budget_api_view(sorted[i], &view);
        each(ctx, &view);
    }
    mem_free(sorted);
}
