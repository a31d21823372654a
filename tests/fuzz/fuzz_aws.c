/*
 * Fuzz target: the replies of AWS. Whatever a server says, each verb of the contract answers once, what it reports is
 * in order and valid UTF-8, and an error has a text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_reply.h"

static const char *credential(void *ctx, const char *key) {
    (void)ctx;
    return str_eq(key, "AWS_ACCESS_KEY_ID")       ? "AKIDEXAMPLE"
           : str_eq(key, "AWS_SECRET_ACCESS_KEY") ? "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
                                                  : NULL;
}

static const struct cloud_tag tags[] = {{"app", "web"}, {CLOUD_TAG_OWNER, "trimtab"}};

static const struct cloud_action actions[] = {
    {.verb = CLOUD_SCALE, .kind = CLOUD_INSTANCE_GROUP, .region = "us-east-1", .id = "web", .count = 3, .token = "t"},
    {.verb = CLOUD_RESIZE,
     .kind = CLOUD_INSTANCE,
     .region = "us-east-1",
     .id = "i-1",
     .type = "m5.large",
     .token = "t"},
    {.verb = CLOUD_START, .kind = CLOUD_INSTANCE, .region = "us-east-1", .id = "i-1", .token = "t"},
    {.verb = CLOUD_STOP, .kind = CLOUD_INSTANCE, .region = "us-east-1", .id = "i-1", .token = "t"},
    {.verb = CLOUD_CREATE,
     .kind = CLOUD_INSTANCE,
     .region = "us-east-1",
     .id = "lt-1",
     .tags = tags,
     .tag_count = 2,
     .token = "t"},
    {.verb = CLOUD_DELETE, .kind = CLOUD_INSTANCE, .region = "us-east-1", .id = "i-1", .token = "t"},
    {.verb = CLOUD_DELETE, .kind = CLOUD_VOLUME, .region = "us-east-1", .id = "vol-1", .token = "t"},
    {.verb = CLOUD_TAKE_SNAPSHOT,
     .kind = CLOUD_VOLUME,
     .region = "us-east-1",
     .id = "vol-1",
     .tags = tags,
     .tag_count = 2,
     .token = "t"},
    {.verb = CLOUD_TAG,
     .kind = CLOUD_INSTANCE,
     .region = "us-east-1",
     .id = "i-1",
     .tags = tags,
     .tag_count = 2,
     .token = "t"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const regions[] = {"us-east-1"};
    static const char *const ids[] = {"web", "i-1"};
    static const char *const operations[] = {"", "resize:us-east-1:i-1:m5.large:was-running", "start:us-east-1:i-1"};
    const struct adapter_config config = {.name = "fuzz",
                                          .regions = regions,
                                          .region_count = 1,
                                          .endpoint = "http://127.0.0.1:1",
                                          .credential = credential};
    const struct cloud_query query = {.kinds = (1u << CLOUD_KIND_COUNT) - 1,
                                      .region = "us-east-1",
                                      .count_max = 1000,
                                      .kind = CLOUD_INSTANCE_GROUP,
                                      .ids = ids,
                                      .id_count = 2,
                                      .from_ms = FUZZ_START_MS - 3600000,
                                      .to_ms = FUZZ_START_MS,
                                      .step_ms = 300000};
    fuzz_adapter(&adapter_aws, &config, &query, actions, sizeof(actions) / sizeof(actions[0]), operations,
                 sizeof(operations) / sizeof(operations[0]), data, size);
    return 0;
}
