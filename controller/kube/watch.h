/*
 * An informer without a cache: list, then watch, for ever. The reader (store/cluster) keeps only the fields it needs.
 *
 * Prefers the streaming list (sendInitialEvents=true, resourceVersionMatch=NotOlderThan, allowWatchBookmarks) and falls
 * back to list by pages of `page_size` + watch when the server refuses it. 410 Gone lists again. Each event is decoded
 * while the stream arrives. Reconnects by itself with back-off and jitter; a watch that is silent for idle_timeout_ms
 * (bookmarks come about every minute) is taken as half open and is renewed. A truncated or malformed event breaks the
 * connection, is counted and leads to a new list; nothing of it is delivered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_KUBE_WATCH_H
#define TRIMTAB_KUBE_WATCH_H

#include "kube/client.h"

struct kube_watch;

enum kube_watch_event {
    KUBE_WATCH_UPSERT,       /* value: the object. Also for objects that did not change since before a relist. */
    KUBE_WATCH_DELETE,       /* value: its last state. */
    KUBE_WATCH_RELIST_BEGIN, /* value NULL: a whole list follows; what is not in it until SYNCED no longer exists. */
    KUBE_WATCH_SYNCED,       /* value NULL: the list is complete. */
};

struct kube_watch_options {
    const char *path; /* "/apis/trimtab.dev/v1alpha1/resourcepolicies"; all namespaces, or one. */
    const char *field_selector, *label_selector; /* NULL: none. */
    const char *accept; /* NULL: application/json. PartialObjectMetadata for objects of which only metadata count. */
    uint32_t page_size; /* 0: 500 */
    uint32_t idle_timeout_ms; /* 0: 150 s */
    void (*on_event)(void *ctx, enum kube_watch_event event, const struct json *value);
    /* Each failure, for a condition, a log line and a metric; it goes on by itself. */
    void (*on_error)(void *ctx, const struct error *error);
    void *ctx;
};

struct kube_watch *kube_watch_start(struct kube_client *client, struct runtime *rt,
                                    const struct kube_watch_options *options);
void kube_watch_stop(struct kube_watch *watch, void (*stopped)(void *ctx), void *ctx); /* Frees it after stopped. */
bool kube_watch_is_synced(
    const struct kube_watch *watch); /* A list has completed and the connection is not known broken. */

#endif
