/*
 * Disks, snapshots, addresses, buckets, and what a listing asks afterwards about empty groups and unknown types.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bench.h"

#define BIT(kind) (1u << CLOUD_##kind)
#define TAG(name, value) "<item><key>" name "</key><value>" value "</value></item>"
#define REFUSAL(code) "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors></Response>"

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
    bench_open_static(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(aws_inventory, .init = set_up, .fini = tear_down);

static const struct adapter_reply *list(uint32_t kinds, size_t count) {
    int64_t begun_ms = runtime_wall_ms(&bench.runtime.base);
    const struct adapter_reply *reply = bench_list(&bench, kinds, 100);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, count);
    for (size_t i = 0; i < count; i++) {
        int64_t as_of_ms = reply->as.resources[i].as_of_ms;
        cr_expect(as_of_ms >= begun_ms && as_of_ms <= runtime_wall_ms(&bench.runtime.base));
        cr_expect_str_eq(reply->as.resources[i].region, "us-east-1");
    }
    return reply;
}

static bool asked(size_t index, const char *part) {
    return strstr(script_request(&bench.server, index), part) != NULL;
}

static void expect_states(const struct adapter_reply *reply, const enum cloud_state *states) {
    for (size_t i = 0; i < reply->count; i++)
        cr_expect_eq(reply->as.resources[i].state, states[i], "%s", reply->as.resources[i].id);
}

Test(aws_inventory, instances_tell_their_group_and_whether_they_are_spare_capacity) {
    script_reply(
        &bench.server, 200, "",
        "<DescribeInstancesResponse><reservationSet><item><groupSet/><instancesSet><item><instanceId>i-1"
        "</instanceId><instanceLifecycle>spot</instanceLifecycle><tagSet>" TAG("aws:autoscaling:groupName", "w")
            TAG("größe", "&lt;1&gt;") "</tagSet><networkInterfaceSet><item><tagSet>" TAG(
                "no",
                "no") "</tagSet></item></networkInterfaceSet></item></instancesSet></item><item><instancesSet><item>"
                      "<instanceId>i-2</instanceId><instanceLifecycle>scheduled</instanceLifecycle></item>"
                      "</instancesSet></item></reservationSet></DescribeInstancesResponse>");
    const struct adapter_reply *reply = list(BIT(INSTANCE), 2);
    const struct cloud_resource *spot = &reply->as.resources[0], *other = &reply->as.resources[1];
    cr_expect_str_eq(spot->parent, "w");
    cr_expect(spot->is_spot && spot->tag_count == 2);
    cr_expect_str_eq(cloud_resource_tag(spot, "größe"), "<1>");
    cr_expect(!other->is_spot && other->parent == NULL && other->tag_count == 0 && other->count == 1);
    cr_expect_str_eq(other->type, "");
}

Test(aws_inventory, volumes_are_read_to_the_last_page) {
    script_reply(
        &bench.server, 200, "",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId><size>8</size>"
        "<availabilityZone>us-east-1a</availabilityZone><status>in-use</status><volumeType>gp3</volumeType>"
        "<createTime>2026-01-02T03:04:05.000Z</createTime><attachmentSet><item><volumeId>vol-1</volumeId>"
        "<instanceId>i-1</instanceId></item><item><instanceId>i-2</instanceId></item></attachmentSet><tagSet>" TAG(
            "Name", "数据") "</tagSet><iops>3000</iops></item></volumeSet><nextToken>t</nextToken>"
                            "</DescribeVolumesResponse>");
    script_reply(
        &bench.server, 200, "",
        "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-2</volumeId><status>available</status>"
        "<size>99999999999999</size></item><item><volumeId>vol-3</volumeId><status>melting</status></item><item>"
        "<volumeId>vol-4</volumeId><status>deleting</status></item><item><volumeId>vol-5</volumeId><status>"
        "creating</status></item></volumeSet></DescribeVolumesResponse>");
    const struct adapter_reply *reply = list(BIT(VOLUME), 5);
    static const enum cloud_state states[] = {CLOUD_IN_USE, CLOUD_AVAILABLE, CLOUD_STATE_UNKNOWN, CLOUD_DELETING,
                                              CLOUD_PENDING};
    expect_states(reply, states);
    const struct cloud_resource *one = reply->as.resources;
    cr_expect_str_eq(one->zone, "us-east-1a");
    cr_expect_str_eq(one->type, "gp3");
    cr_expect_str_eq(one->name, "数据");
    cr_expect_str_eq(one->parent, "i-1");
    cr_expect(one->memory_mib == 8192 && one->created_at_ms == INT64_C(1767323045000) && one->kind == CLOUD_VOLUME);
    cr_expect(one[1].parent == NULL && one[1].memory_mib == 0 && one[1].created_at_ms == 0);
    cr_expect(asked(0, "Action=DescribeVolumes&Version=2016-11-15&MaxResults=1000"));
    cr_expect(asked(1, "&NextToken=t"));
}

Test(aws_inventory, snapshots_are_our_own_and_name_their_volume) {
    script_reply(
        &bench.server, 200, "",
        "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId>"
        "<status>completed</status><startTime>2026-01-02T03:04:05Z</startTime><volumeSize>10</volumeSize>"
        "<storageTier>archive</storageTier><tagSet>" TAG(
            "a",
            "b") "</tagSet></item><item><snapshotId>snap-2"
                 "</snapshotId><volumeId>vol-ffffffff</volumeId><status>pending</status></item><item><snapshotId>snap-3"
                 "</snapshotId><status>error</status></item></snapshotSet></DescribeSnapshotsResponse>");
    const struct adapter_reply *reply = list(BIT(SNAPSHOT), 3);
    static const enum cloud_state states[] = {CLOUD_AVAILABLE, CLOUD_PENDING, CLOUD_STATE_UNKNOWN};
    expect_states(reply, states);
    const struct cloud_resource *one = reply->as.resources;
    cr_expect_str_eq(one->parent, "vol-1");
    cr_expect_str_eq(one->type, "archive");
    cr_expect(one->memory_mib == 10240 && one->created_at_ms == INT64_C(1767323045000));
    cr_expect_null(one[1].parent, "of a copy the volume is unknown");
    cr_expect(asked(0, "Action=DescribeSnapshots&Version=2016-11-15&Owner.1=self&MaxResults=1000"));
}

Test(aws_inventory, addresses_are_in_use_whatever_holds_them) {
    script_reply(
        &bench.server, 200, "",
        "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.1</publicIp><allocationId>eipalloc-1"
        "</allocationId><domain>vpc</domain></item><item><publicIp>192.0.2.2</publicIp><allocationId>eipalloc-2"
        "</allocationId><instanceId>i-1</instanceId><associationId>a</associationId><tagSet>" TAG(
            "Name",
            "n") "</tagSet></item><item><publicIp>192.0.2.3</publicIp><allocationId>eipalloc-3</"
                 "allocationId><instanceId/>"
                 "<networkInterfaceId>eni-1</networkInterfaceId></item><item><publicIp>192.0.2.4</publicIp></item>"
                 "</addressesSet></DescribeAddressesResponse>");
    const struct adapter_reply *reply = list(BIT(ADDRESS), 4);
    static const enum cloud_state states[] = {CLOUD_AVAILABLE, CLOUD_AVAILABLE, CLOUD_IN_USE, CLOUD_IN_USE};
    expect_states(reply, states);
    const struct cloud_resource *one = reply->as.resources;
    cr_expect_str_eq(one[0].id, "192.0.2.4", "of the times before VPC");
    cr_expect_str_eq(one[1].id, "eipalloc-1");
    cr_expect_str_eq(one[1].name, "192.0.2.1");
    cr_expect_str_eq(one[1].type, "vpc");
    cr_expect_str_eq(one[2].name, "n");
    cr_expect_str_eq(one[2].parent, "i-1");
    cr_expect_null(one[3].parent);
    cr_expect(!asked(0, "MaxResults"));
}

Test(aws_inventory, empty_sets_are_empty_lists_and_their_absence_is_an_error) {
    script_reply(&bench.server, 200, "", "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>");
    script_reply(&bench.server, 200, "", "<DescribeVolumesResponse><volumeSet/></DescribeVolumesResponse>");
    script_reply(&bench.server, 200, "", "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>");
    script_reply(&bench.server, 200, "", "<DescribeAddressesResponse><addressesSet/></DescribeAddressesResponse>");
    script_reply(&bench.server, 200, "", "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>");
    (void)list(BIT(INSTANCE) | BIT(VOLUME) | BIT(SNAPSHOT) | BIT(ADDRESS) | BIT(BUCKET), 0);
    script_reply(&bench.server, 200, "", "<DescribeVolumesResponse><requestId>r</requestId></DescribeVolumesResponse>");
    const struct adapter_reply *reply = bench_list(&bench, BIT(VOLUME), 10);
    cr_expect_eq(reply->error.class, ERR_RETRYABLE);
    cr_expect_not_null(strstr(reply->error.message, "volumeSet"));
    script_reply(&bench.server, 200, "", "<html/>");
    reply = bench_list(&bench, BIT(BUCKET), 10);
    cr_expect_eq(reply->error.class, ERR_RETRYABLE);
}

/* Buckets. */

#define BUCKETS(buckets, token)                                                                                        \
    "<ListAllMyBucketsResult "                                                                                         \
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>x</ID></Owner><Buckets>" buckets "</Buckets>" token  \
    "</ListAllMyBucketsResult>"
#define BUCKET(name, region)                                                                                           \
    "<Bucket><Name>" name "</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate><BucketRegion>" region          \
    "</BucketRegion></Bucket>"
#define TAGGING(tags) "<Tagging><TagSet>" tags "</TagSet></Tagging>"
#define S3_ERROR(code) "<Error><Code>" code "</Code><Message>no</Message></Error>"

Test(aws_inventory, buckets_are_those_of_the_region_with_their_tags) {
    script_reply(
        &bench.server, 200, "",
        BUCKETS(BUCKET("c-0", "us-east-1") BUCKET("far", "eu-west-1"), "<ContinuationToken>t/+</ContinuationToken>"));
    script_reply(&bench.server, 200, "",
                 BUCKETS(BUCKET("b.with.dots", "us-east-1") BUCKET("Old_One", "us-east-1"), ""));
    script_reply(&bench.server, 200, "",
                 TAGGING("<Tag><Key>team</Key><Value>结账 &amp;</Value></Tag><Tag><Key>a</Key><Value/></Tag>"));
    script_reply(&bench.server, 404, "", S3_ERROR("NoSuchTagSet"));
    const struct adapter_reply *reply = list(BIT(BUCKET), 3);
    static const enum cloud_state states[] = {CLOUD_STATE_UNKNOWN, CLOUD_AVAILABLE, CLOUD_AVAILABLE};
    expect_states(reply, states);
    const struct cloud_resource *one = reply->as.resources;
    cr_expect_str_eq(one[0].id, "Old_One", "a name that fits into no URL is told but not asked about");
    cr_expect_str_eq(one[1].id, "b.with.dots");
    cr_expect_eq(one[1].tag_count, 0);
    cr_expect_str_eq(one[2].name, "c-0");
    cr_expect_str_eq(cloud_resource_tag(&one[2], "team"), "结账 &");
    cr_expect(one[2].created_at_ms == INT64_C(1767323045000) && one[2].tag_count == 2 && one[2].count == 1);
    cr_expect(asked(0, "GET /?bucket-region=us-east-1&max-buckets=1000 HTTP"));
    cr_expect(asked(0, "/us-east-1/s3/aws4_request"));
    cr_expect(asked(0, "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    cr_expect(asked(1, "&continuation-token=t%2F%2B HTTP"));
    cr_expect(asked(2, "GET /c-0?tagging= HTTP"));
    cr_expect_eq(reply->request_count, 4);
}

Test(aws_inventory, a_bucket_without_a_region_is_asked_for_it) {
    script_reply(&bench.server, 200, "", BUCKETS(BUCKET("far", "") BUCKET("here", "") BUCKET("old", ""), ""));
    script_reply(&bench.server, 200, "", "<LocationConstraint>EU</LocationConstraint>");
    /* What was last takes the place of what was dropped. */
    script_reply(&bench.server, 200, "", "<LocationConstraint/>");
    script_reply(&bench.server, 404, "", S3_ERROR("NoSuchBucket"));
    script_reply(&bench.server, 200, "", "<LocationConstraint>us-east-1</LocationConstraint>");
    script_reply(&bench.server, 200, "", TAGGING("<Tag><Key>a</Key><Value>b</Value></Tag>"));
    const struct adapter_reply *reply = list(BIT(BUCKET), 1);
    cr_expect_str_eq(reply->as.resources->id, "here");
    cr_expect_str_eq(cloud_resource_tag(reply->as.resources, "a"), "b");
    cr_expect(asked(1, "GET /far?location= HTTP") && asked(2, "GET /old?location= HTTP"));
    cr_expect(asked(3, "GET /old?tagging= HTTP") && asked(4, "GET /here?location= HTTP"));
}

Test(aws_inventory, a_bucket_that_may_not_be_read_is_of_unknown_state) {
    script_reply(&bench.server, 200, "", BUCKETS(BUCKET("aaa", "us-east-1") BUCKET("bbb", "us-east-1"), ""));
    script_reply(&bench.server, 403, "", S3_ERROR("AccessDenied"));
    script_reply(&bench.server, 404, "", S3_ERROR("NoSuchTagSet"));
    const struct adapter_reply *reply = list(BIT(BUCKET), 2);
    static const enum cloud_state states[] = {CLOUD_STATE_UNKNOWN, CLOUD_AVAILABLE};
    expect_states(reply, states);
}

Test(aws_inventory, who_may_read_no_tags_is_refused_a_few_times_not_once_a_bucket) {
    struct buf buckets = {0};
    for (int i = 0; i < 20; i++)
        buf_printf(&buckets, BUCKET("bucket-%d", "us-east-1"), i);
    char *body = mem_printf(BUCKETS("%s", ""), buf_text(&buckets));
    script_reply(&bench.server, 200, "", body);
    for (int i = 0; i < 6; i++)
        script_reply(&bench.server, 403, "", S3_ERROR("AccessDenied"));
    const struct adapter_reply *reply = list(BIT(BUCKET), 20);
    for (size_t i = 0; i < 20; i++)
        cr_expect_eq(reply->as.resources[i].state, CLOUD_STATE_UNKNOWN);
    cr_expect_eq(reply->request_count, 7);
    mem_free(body);
    buf_release(&buckets);
}

Test(aws_inventory, a_failing_server_fails_the_buckets) {
    script_reply(&bench.server, 200, "", BUCKETS(BUCKET("aaa", "us-east-1"), ""));
    script_reply(&bench.server, 503, "Retry-After: 3\r\n", S3_ERROR("SlowDown"));
    const struct adapter_reply *reply = bench_list(&bench, BIT(BUCKET), 10);
    cr_expect_eq(reply->error.class, ERR_THROTTLED);
    cr_expect_eq(reply->error.retry_after_ms, 3000);
    cr_expect_not_null(strstr(reply->error.message, "GetBucketTagging"));
}

/* What is asked afterwards. */

#define GROUPS(groups)                                                                                                 \
    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>" groups                   \
    "</AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define TEMPLATE(id, version)                                                                                          \
    "<LaunchTemplateId>" id "</LaunchTemplateId><LaunchTemplateName>n</LaunchTemplateName><Version>" version           \
    "</Version>"
#define GROUP(name, rest) "<member><AutoScalingGroupName>" name "</AutoScalingGroupName>" rest "</member>"
#define VERSION(number, is_default, type)                                                                              \
    "<item><versionNumber>" number "</versionNumber><defaultVersion>" is_default                                       \
    "</defaultVersion><launchTemplateData><instanceType>" type "</instanceType></launchTemplateData></item>"
#define VERSIONS(items)                                                                                                \
    "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet>" items                                         \
    "</launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>"
#define TYPES(items, token)                                                                                            \
    "<DescribeInstanceTypesResponse><instanceTypeSet>" items "</instanceTypeSet>" token                                \
    "</DescribeInstanceTypesResponse>"
#define TYPE(name, vcpus, mib)                                                                                         \
    "<item><instanceType>" name "</instanceType><vCpuInfo><defaultVCpus>" vcpus "</defaultVCpus></vCpuInfo>"           \
    "<memoryInfo><sizeInMiB>" mib "</sizeInMiB></memoryInfo></item>"

Test(aws_inventory, empty_groups_take_their_type_from_the_launch_template) {
    script_reply(
        &bench.server, 200, "",
        GROUPS(GROUP("a", "<LaunchTemplate>" TEMPLATE("lt-1", "$Latest") "</LaunchTemplate>")
                   GROUP("b", "<LaunchTemplate>" TEMPLATE("lt-1", "2") "</LaunchTemplate>")
                       GROUP("c", "<LaunchTemplate><LaunchTemplateName>n é</LaunchTemplateName></LaunchTemplate>")
                           GROUP("d", "<MixedInstancesPolicy><LaunchTemplate><LaunchTemplateSpecification>" TEMPLATE(
                                          "lt-1", "2") "</LaunchTemplateSpecification><Overrides/></LaunchTemplate>"
                                                       "</MixedInstancesPolicy>") GROUP("e", "")));
    script_reply(
        &bench.server, 200, "",
        VERSIONS(VERSION("2", "false", "m5.large") VERSION("11", "true", "m6.large") VERSION("3", "false", "no")));
    script_reply(&bench.server, 200, "", VERSIONS(VERSION("1", "true", "r5.large") VERSION("2", "false", "no")));
    script_reply(&bench.server, 200, "", TYPES(TYPE("m5.large", "2", "8192"), "<nextToken>t</nextToken>"));
    script_reply(&bench.server, 200, "", TYPES(TYPE("r5.large", "2", "16384") TYPE("zz.other", "1", "1"), ""));
    const struct adapter_reply *reply = list(BIT(INSTANCE_GROUP), 5);
    static const char *const types[] = {"m6.large", "m5.large", "r5.large", "m5.large", ""};
    static const int64_t sizes[] = {0, 8192, 16384, 8192, 0};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        cr_expect_str_eq(reply->as.resources[i].type, types[i], "%s", reply->as.resources[i].id);
        cr_expect_eq(reply->as.resources[i].memory_mib, sizes[i], "%s", reply->as.resources[i].id);
    }
    cr_expect_eq(reply->request_count, 5);
    cr_expect(asked(1, "&LaunchTemplateId=lt-1&LaunchTemplateVersion.1=%24Latest&LaunchTemplateVersion.2=2"));
    cr_expect(!asked(1, "LaunchTemplateVersion.3"));
    cr_expect(asked(2, "&LaunchTemplateName=n+%C3%A9&LaunchTemplateVersion.1=%24Default"));
    cr_expect(asked(3,
                    "&Filter.1.Name=instance-type&Filter.1.Value.1=m5.large&Filter.1.Value.2=m6.large&Filter.1.Value."
                    "3=r5.large&MaxResults=100"));
    cr_expect(asked(4, "&NextToken=t"));
}

Test(aws_inventory, a_template_that_is_gone_leaves_the_type_unknown_and_the_others_known) {
    script_reply(&bench.server, 200, "",
                 GROUPS(GROUP("a", "<LaunchTemplate>" TEMPLATE("lt-1", "1") "</LaunchTemplate>")
                            GROUP("b", "<LaunchTemplate>" TEMPLATE("lt-2", "1") "</LaunchTemplate>")));
    script_reply(&bench.server, 400, "", REFUSAL("InvalidLaunchTemplateId.NotFound"));
    script_reply(&bench.server, 200, "", VERSIONS(VERSION("1", "true", "r5.large")));
    script_reply(&bench.server, 400, "", REFUSAL("InvalidParameterValue"));
    const struct adapter_reply *reply = list(BIT(INSTANCE_GROUP), 2);
    cr_expect_str_eq(reply->as.resources[0].type, "");
    cr_expect_str_eq(reply->as.resources[1].type, "r5.large");
}

Test(aws_inventory, who_may_not_read_templates_is_not_asked_again) {
    script_reply(&bench.server, 200, "",
                 GROUPS(GROUP("a", "<LaunchTemplate>" TEMPLATE("lt-1", "1") "</LaunchTemplate>")
                            GROUP("b", "<LaunchTemplate>" TEMPLATE("lt-2", "1") "</LaunchTemplate>")));
    script_reply(&bench.server, 403, "", REFUSAL("UnauthorizedOperation"));
    const struct adapter_reply *reply = list(BIT(INSTANCE_GROUP), 2);
    cr_expect_eq(reply->request_count, 2);
}

Test(aws_inventory, throttling_of_what_is_asked_afterwards_fails_the_listing) {
    script_reply(&bench.server, 200, "",
                 GROUPS(GROUP("a", "<LaunchTemplate>" TEMPLATE("lt-1", "1") "</LaunchTemplate>")));
    script_reply(&bench.server, 503, "", REFUSAL("RequestLimitExceeded"));
    const struct adapter_reply *reply = bench_list(&bench, BIT(INSTANCE_GROUP), 10);
    cr_expect_eq(reply->error.class, ERR_THROTTLED);
    cr_expect_eq(reply->count, 0);
}

/* Limits. */

static const struct adapter_reply *run_limits(void) {
    static const struct cloud_query query = {.region = "us-east-1"};
    struct adapter_call *call = bench_call(&bench, 0);
    bench.adapter->ops->limits(bench.adapter, call, &query);
    bench_wait(&bench, 0);
    return &call->reply;
}

/* As headroom reads them: any of the patterns. */
static bool counts(const struct cloud_limit *limit, const char *type) {
    char patterns[1024];
    cr_assert(str_copy(patterns, sizeof(patterns), limit->types), "%zu", strlen(limit->types));
    char *rest = patterns;
    for (char *one; (one = strsep(&rest, ",")) != NULL;) {
        if (str_glob(one, type))
            return true;
    }
    return false;
}

Test(aws_inventory, limits_are_paged_and_say_which_types_they_count) {
    script_reply(
        &bench.server, 200, "Content-Type: application/x-amz-json-1.1\r\n",
        "{\"Quotas\":[{\"QuotaCode\":\"L-1216C47A\",\"QuotaName\":\"Running On-Demand Standard (A, C, D, H, I, M, "
        "R, T, Z) instances\",\"Value\":640.0,\"Unit\":\"None\",\"Novelty\":{}},{\"QuotaCode\":\"L-DB2E81BA\","
        "\"QuotaName\":\"Running On-Demand G and VT instances\",\"Value\":8},{\"QuotaName\":\"nameless\"}],"
        "\"NextToken\":\"t\"}");
    script_reply(
        &bench.server, 200, "Content-Type: application/x-amz-json-1.1\r\n",
        "{\"Quotas\":[{\"QuotaCode\":\"L-34B43A08\",\"QuotaName\":\"All Standard (A, C, D, H, I, M, R, T, Z) Spot "
        "Instance Requests\",\"Value\":32},{\"QuotaCode\":\"L-0263D0A3\",\"QuotaName\":\"EC2-VPC Elastic IPs\","
        "\"Value\":5,\"Unit\":\"None\"},{\"QuotaCode\":\"L-X\",\"QuotaName\":\"Running On-Demand Novel instances"
        "\",\"Value\":1},{\"QuotaCode\":\"L-Y\",\"QuotaName\":\"unset\"}],\"NextToken\":null}");
    const struct adapter_reply *reply = run_limits();
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 5);
    const struct cloud_limit *limits = reply->as.limits;
    cr_expect(str_eq(limits[0].id, "L-1216C47A") && limits[0].value == 640 && limits[0].used == -1);
    cr_expect(str_eq(limits[0].region, "us-east-1") && str_eq(limits[0].unit, "vCPU"));
    static const char *const standard[] = {"a1.large",  "c7gn.large",  "d3en.xlarge",  "h1.2xlarge",
                                           "i4i.large", "im4gn.large", "is4gen.large", "m7i-flex.large",
                                           "r8g.large", "t3a.micro",   "z1d.large"};
    static const char *const others[] = {"dl1.24xlarge", "hpc6a.48xlarge", "inf1.xlarge",  "mac1.metal",
                                         "trn1.2xlarge", "g4dn.xlarge",    "p4d.24xlarge", "x1e.xlarge",
                                         "u-6tb1.metal", "f1.2xlarge"};
    for (size_t i = 0; i < ARRAY_LEN(standard); i++)
        cr_expect(counts(&limits[0], standard[i]), "%s", standard[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        cr_expect(!counts(&limits[0], others[i]), "%s", others[i]);
    cr_expect(counts(&limits[1], "g4dn.xlarge") && counts(&limits[1], "vt1.3xlarge") &&
              !counts(&limits[1], "m5.large"));
    cr_expect(str_eq(limits[2].unit, "spot vCPU") && counts(&limits[2], "m5.large"));
    cr_expect(str_eq(limits[3].unit, "count") && str_eq(limits[3].name, "EC2-VPC Elastic IPs"));
    cr_expect(str_eq(limits[4].unit, "count"), "a family that we do not know counts no type");
    cr_expect(asked(0, "x-amz-target: ServiceQuotasV20190624.ListServiceQuotas"));
    cr_expect(asked(0, "{\"ServiceCode\":\"ec2\",\"MaxResults\":100}"));
    cr_expect(asked(0, "/us-east-1/servicequotas/aws4_request"));
    cr_expect(asked(1, "\"NextToken\":\"t\"}"));
}

Test(aws_inventory, limits_refused_or_unreadable_are_errors) {
    static const struct {
        int status;
        const char *body;
        enum err_class class;
    } rows[] = {
        {400, "{\"__type\":\"com.amazonaws.servicequotas#AccessDeniedException\",\"Message\":\"no\"}", ERR_PERMISSION},
        {400, "{\"__type\":\"TooManyRequestsException\",\"message\":\"slow\"}", ERR_THROTTLED},
        {200, "{\"Quotas\":", ERR_RETRYABLE},
        {200, "{\"Quotas\":{}}", ERR_RETRYABLE},
        {200, "[]", ERR_RETRYABLE},
        {200, "<html/>", ERR_RETRYABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        script_reply(&bench.server, rows[i].status, "Content-Type: application/x-amz-json-1.1\r\n", rows[i].body);
        const struct adapter_reply *reply = run_limits();
        cr_expect_eq(reply->error.class, rows[i].class, "%s: %s", rows[i].body, reply->error.message);
        cr_expect_eq(reply->count, 0);
    }
}
