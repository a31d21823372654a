/*
 * An informer without a cache: list, then watch, for ever. The reader (store/cluster) keeps only the fields it needs.
 *
 * Prefers the streaming list (sendInitialEvents=true, resourceVersionMatch=NotOlderThan, allowWatchBookmarks) and falls
 * back to list by pages of `page_size` + watch when the server refuses it. 410 Gone lists again. Each event is decoded
 * while the stream arrives. Reconnects by itself with back-off and jitter; a watch that is silent for idle_timeout_ms
 * (bookmarks come about every minute) is taken as half open and is renewed. A malformed event, or one cut short by an
 * orderly end, breaks the connection, is counted and leads to a new list; nothing of it is delivered. An event cut
 * short by a broken connection is asked for again, from the last whole one on, without a list. A server that ends a
 * watch in good order (it does so every few minutes) or no longer has our resourceVersion (410) has not failed: no
 * error is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_WATCH_H
#define TRIMTAB_KUBE_WATCH_H

#include "kube/client.h"

struct kube_watch;

enum kube_watch_event {
    KUBE_WATCH_UPSERT, /* value: the object. Also for objects that did not change since before a relist. */
    KUBE_WATCH_DELETE, /* value: its last state. */
    /* value NULL: a whole list follows; what is not in it until SYNCED no longer exists. A list that fails half-way
     * begins again: so this may come twice before SYNCED. */
    KUBE_WATCH_RELIST_BEGIN,
    KUBE_WATCH_SYNCED, /* value NULL: the list is complete. */
};

struct kube_watch_options {
    const char *path; /* "/apis/trimtab.dev/v1alpha1/resourcepolicies"; all namespaces, or one. */
    const char *field_selector, *label_selector; /* NULL: none. */
    /* NULL: application/json. "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" for objects of which only
     * metadata count; lists then ask for PartialObjectMetadataList by themselves. */
    const char *accept;
    uint32_t page_size; /* 0: 500 */
    /* List first by one GET with resourceVersion=0 (the server's watch cache, unpaged; may be a little stale), instead
     * of by the streaming list. */
    bool prefer_list;
    uint32_t idle_timeout_ms; /* 0: 150 s */
    /* Whether the object of that version is known already (it is the answer to a write of ours): its event is passed
     * over without being parsed. NULL: none is. */
    bool (*is_known)(void *ctx, struct bytes resource_version);
    void (*on_event)(void *ctx, enum kube_watch_event event, const struct json *value);
    /* Each failure, for a condition, a log line and a metric; it goes on by itself. The
     * message does not name the path. NULL: not told. */
    void (*on_error)(void *ctx, const struct error *error);
    void *ctx;
};

struct kube_watch_counts {
    uint64_t lists;     /* Begun. */
    uint64_t connects;  /* Requests of any kind. */
    uint64_t events;    /* Objects delivered. */
    uint64_t malformed; /* Connections dropped for bytes that were no event. */
    uint64_t failures;  /* As told to on_error. */
};

/* Options and their strings are copied. Both callbacks may call kube_watch_stop. */
struct kube_watch *kube_watch_start(struct kube_client *client, struct runtime *rt,
                                    const struct kube_watch_options *options);
/* No event is told any more; stopped is called later and once, then the watch is freed. */
void kube_watch_stop(struct kube_watch *watch, void (*stopped)(void *ctx), void *ctx);
/* A list has completed and the connection is not known broken. */
bool kube_watch_is_synced(const struct kube_watch *watch);
struct kube_watch_counts kube_watch_counts(const struct kube_watch *watch);

#endif
