/*
 * What a plan may not exceed besides the policy itself, and what is already under way. Made by the loop's serial
 * admission step from the Recommendations that are not yet finished.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIMTAB_PLAN_HEADROOM_H
#define TRIMTAB_PLAN_HEADROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct headroom {
    bool freeze_growth; /* An enforced budget effect. */
    bool shrink_to_minimum;
    const char *budget; /* Which ("namespace/name"); NULL: none. */
};

#endif
