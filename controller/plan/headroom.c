/*
 * See headroom.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plan/headroom.h"

#include <string.h>

#include "base/str.h"

static bool is_provider(const char *pattern, const char *provider) {
    const char *slash = strrchr(provider, '/');
    return str_glob(pattern, slash && !strchr(pattern, '/') ? slash + 1 : provider);
}

bool headroom_closure_matches(const struct headroom_closure *closure, const char *provider, const char *region,
                              const char *type) {
    return (!closure->provider || is_provider(closure->provider, provider)) &&
           (!closure->region || str_glob(closure->region, region)) && (!closure->type || str_glob(closure->type, type));
}

const struct headroom_closure *headroom_closure_of(const struct headroom *headroom, const char *provider,
                                                   const char *region, const char *type) {
    for (size_t i = 0; i < headroom->closure_count; i++)
        if (headroom_closure_matches(&headroom->closures[i], provider, region, type))
            return &headroom->closures[i];
    return NULL;
}
