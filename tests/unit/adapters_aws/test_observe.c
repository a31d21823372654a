/*
 * What the adapter makes of AWS's replies: groups, instances, pages, metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/timefmt.h"
#include "bench.h"

#define GROUPS(members, token)                                                                                         \
    "<DescribeAutoScalingGroupsResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">"                   \
    "<DescribeAutoScalingGroupsResult><AutoScalingGroups>" members "</AutoScalingGroups>" token                        \
    "</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define GROUP(name) "<member><AutoScalingGroupName>" name "</AutoScalingGroupName></member>"
#define TOKEN(text) "<NextToken>" text "</NextToken>"
#define MEMBER(state, health, type)                                                                                    \
    "<member><LifecycleState>" state "</LifecycleState><HealthStatus>" health "</HealthStatus><InstanceType>" type     \
    "</InstanceType></member>"
/* No catalogue: the sizes of types are asked for. */
#define TYPES(items)                                                                                                   \
    "<DescribeInstanceTypesResponse><instanceTypeSet>" items "</instanceTypeSet></DescribeInstanceTypesResponse>"
#define GROUP_BIT (1u << CLOUD_INSTANCE_GROUP)
#define INSTANCE_BIT (1u << CLOUD_INSTANCE)

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
    bench_open_static(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(aws_observe, .init = set_up, .fini = tear_down);

Test(aws_observe, reads_a_group_whole) {
    script_reply(
        &bench.server, 200, "",
        GROUPS("<member><AutoScalingGroupName>web</AutoScalingGroupName><MinSize>1</MinSize><MaxSize>9</MaxSize>"
               "<DesiredCapacity>4</DesiredCapacity><AvailabilityZones><member>us-east-1a</member>"
               "</AvailabilityZones><CreatedTime>2026-01-02T03:04:05.678Z</CreatedTime><Instances>" MEMBER(
                   "InService", "Healthy", "m5.large") MEMBER("InService", "HEALTHY", "m5.large")
                   MEMBER("InService", "Unhealthy", "c5.large") MEMBER("Pending", "Healthy", "c5.large")
                       MEMBER("Sideways:Wait", "Healthy", "c5.large") "</Instances><Tags><member><Key>b</Key><Value>2 "
                                                                      "&amp; 3</Value><Extra>x</Extra></member>"
                                                                      "<member><Key>a</Key><Value/></member></"
                                                                      "Tags><Novelty><Deep>1</Deep></Novelty></member>",
               ""));
    script_reply(&bench.server, 200, "",
                 TYPES("<item><instanceType>c5.large</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo>"
                       "<memoryInfo><sizeInMiB>4096</sizeInMiB></memoryInfo></item>"));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1);
    const struct cloud_resource *group = reply->as.resources;
    cr_expect_eq(group->kind, CLOUD_INSTANCE_GROUP);
    cr_expect_eq(group->state, CLOUD_RUNNING);
    cr_expect_str_eq(group->id, "web");
    cr_expect_str_eq(group->region, "us-east-1");
    cr_expect_str_eq(group->zone, "us-east-1a");
    cr_expect_str_eq(group->type, "c5.large", "the type of most machines");
    cr_expect(group->count == 4 && group->count_min == 1 && group->count_max == 9 && group->serving == 2);
    cr_expect_eq(group->created_at_ms, INT64_C(1767323045678));
    cr_expect(group->vcpu_milli == 2000 && group->memory_mib == 4096);
    cr_expect_eq(group->tag_count, 2);
    cr_expect_str_eq(group->tags[0].key, "a");
    cr_expect_str_eq(cloud_resource_tag(group, "b"), "2 & 3");
    cr_expect(!reply->truncated);
    const char *request = script_request(&bench.server, 0);
    cr_expect(strstr(request, "Action=DescribeAutoScalingGroups&Version=2011-01-01&MaxRecords=100") != NULL, "%s",
              request);
    cr_expect(strstr(request, "/us-east-1/autoscaling/aws4_request") != NULL, "%s", request);
    cr_expect(strstr(request, BENCH_SECRET) == NULL);
}

Test(aws_observe, a_group_of_none_takes_its_type_from_the_policy_and_a_deleted_one_says_so) {
    script_reply(&bench.server, 200, "",
                 GROUPS("<member><AutoScalingGroupName>a</AutoScalingGroupName><MixedInstancesPolicy><LaunchTemplate>"
                        "<Overrides><member><InstanceType>r5.large</InstanceType></member></Overrides></LaunchTemplate>"
                        "</MixedInstancesPolicy></member><member><AutoScalingGroupName>b</AutoScalingGroupName>"
                        "<Status>Delete in progress</Status><DesiredCapacity>many</DesiredCapacity></member>",
                        ""));
    script_reply(&bench.server, 200, "", TYPES(""));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 10);
    cr_assert_eq(reply->count, 2);
    cr_expect_str_eq(reply->as.resources[0].type, "r5.large");
    cr_expect_str_eq(reply->as.resources[1].type, "");
    cr_expect_eq(reply->as.resources[1].state, CLOUD_DELETING);
    cr_expect_eq(reply->as.resources[1].count, 0);
}

Test(aws_observe, follows_pages_and_sorts_the_whole) {
    script_reply(&bench.server, 200, "", GROUPS(GROUP("c"), TOKEN("a+b/c==")));
    script_reply(&bench.server, 200, "", GROUPS("", TOKEN("two")));
    script_reply(&bench.server, 200, "", GROUPS(GROUP("b") GROUP("a"), ""));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 10);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 3);
    cr_expect_eq(reply->request_count, 3);
    cr_expect_str_eq(reply->as.resources[0].id, "a");
    cr_expect_str_eq(reply->as.resources[2].id, "c");
    cr_expect(strstr(script_request(&bench.server, 0), "NextToken") == NULL);
    cr_expect(strstr(script_request(&bench.server, 1), "NextToken=a%2Bb%2Fc%3D%3D") != NULL);
    cr_expect(strstr(script_request(&bench.server, 2), "NextToken=two") != NULL);
}

Test(aws_observe, stops_at_the_limit_and_says_that_it_cut) {
    script_reply(&bench.server, 200, "", GROUPS(GROUP("a") GROUP("b"), TOKEN("t")));
    script_reply(&bench.server, 200, "", GROUPS(GROUP("c"), TOKEN("u")));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 2);
    cr_expect_eq(reply->count, 2);
    cr_expect(reply->truncated);
    cr_expect_eq(reply->request_count, 2);
}

Test(aws_observe, exactly_the_limit_is_not_cut) {
    script_reply(&bench.server, 200, "", GROUPS(GROUP("a") GROUP("b"), ""));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 2);
    cr_expect_eq(reply->count, 2);
    cr_expect(!reply->truncated);
}

Test(aws_observe, a_link_that_repeats_is_an_error) {
    script_reply(&bench.server, 200, "", GROUPS(GROUP("a"), TOKEN("t")));
    script_reply(&bench.server, 200, "", GROUPS(GROUP("b"), TOKEN("u")));
    script_reply(&bench.server, 200, "", GROUPS(GROUP("c"), TOKEN("t")));
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT, 10);
    cr_expect_eq(reply->error.class, ERR_PERMANENT);
    cr_expect(strstr(reply->error.message, "repeats") != NULL, "%s", reply->error.message);
    cr_expect_eq(reply->count, 0);
}

#define INSTANCE(id, state, rest)                                                                                      \
    "<item><instanceId>" id "</instanceId><instanceState><code>1</code><name>" state "</name></instanceState>" rest    \
    "</item>"

Test(aws_observe, lists_groups_then_instances_in_one_call) {
    script_reply(&bench.server, 200, "", GROUPS(GROUP("g"), TOKEN("same")));
    script_reply(&bench.server, 200, "", GROUPS(GROUP("h"), ""));
    script_reply(
        &bench.server, 200, "",
        "<DescribeInstancesResponse><reservationSet><item><instancesSet>" INSTANCE(
            "i-2", "running",
            "<instanceType>m5.large</instanceType><placement><availabilityZone>us-east-1b</availabilityZone></"
            "placement>"
            "<launchTime>2026-01-02T03:04:05.000Z</launchTime><cpuOptions><coreCount>3</coreCount><threadsPerCore>2"
            "</threadsPerCore></cpuOptions><tagSet><item><key>Name</key><value>web-1</value></item></tagSet>")
            INSTANCE("i-1", "hibernating", "") "</instancesSet></item></reservationSet><nextToken>same</nextToken>"
                                               "</DescribeInstancesResponse>");
    script_reply(&bench.server, 200, "",
                 "<DescribeInstancesResponse><reservationSet><item><instancesSet>" INSTANCE("i-0", "shutting-down", "")
                     INSTANCE("i-3", "terminated", "") INSTANCE("i-4", "stopped", "") INSTANCE("i-5", "stopping", "")
                         INSTANCE("i-6", "pending", "") "</instancesSet></item></reservationSet><nextToken/>"
                                                        "</DescribeInstancesResponse>");
    script_reply(&bench.server, 403, "",
                 "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors>"
                 "</Response>");
    const struct adapter_reply *reply = bench_list(&bench, GROUP_BIT | INSTANCE_BIT, 100);
    cr_assert_eq(reply->error.class, ERR_NONE, "a token may come again in another list: %s", reply->error.message);
    cr_assert_eq(reply->count, 9);
    static const struct {
        const char *id;
        enum cloud_state state;
    } expected[] = {
        {"i-0", CLOUD_DELETING}, {"i-1", CLOUD_STATE_UNKNOWN}, {"i-2", CLOUD_RUNNING},
        {"i-3", CLOUD_DELETING}, {"i-4", CLOUD_STOPPED},       {"i-5", CLOUD_STOPPING},
        {"i-6", CLOUD_PENDING},  {"g", CLOUD_RUNNING},         {"h", CLOUD_RUNNING},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        cr_expect_str_eq(reply->as.resources[i].id, expected[i].id);
        cr_expect_eq(reply->as.resources[i].state, expected[i].state, "%s", expected[i].id);
    }
    const struct cloud_resource *one = &reply->as.resources[2];
    cr_expect_str_eq(one->name, "web-1");
    cr_expect_str_eq(one->zone, "us-east-1b");
    cr_expect_eq(one->vcpu_milli, 6000, "the cores that the reply tells, where nobody knows the type");
    cr_expect_eq(one->memory_mib, 0);
    cr_expect_eq(one->count, 1);
    cr_expect_eq(one->created_at_ms, INT64_C(1767323045000));
    cr_expect(strstr(script_request(&bench.server, 2), "Version=2016-11-15&MaxResults=1000") != NULL);
    cr_expect(strstr(script_request(&bench.server, 2), "/us-east-1/ec2/aws4_request") != NULL);
}

Test(aws_observe, kinds_that_it_does_not_know_are_an_empty_list_without_a_request) {
    const struct adapter_reply *reply = bench_list(&bench, 1u << CLOUD_NODE | 1u << CLOUD_WORKLOAD, 10);
    cr_expect_eq(reply->error.class, ERR_NONE);
    cr_expect(reply->count == 0 && !reply->truncated && reply->request_count == 0);
}

Test(aws_observe, names_the_account) {
    script_reply(&bench.server, 200, "",
                 "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
                 "</GetCallerIdentityResult></GetCallerIdentityResponse>");
    struct adapter_call *call = bench_call(&bench, 0);
    bench.adapter->ops->account(bench.adapter, call);
    bench_wait(&bench, 0);
    cr_expect_str_eq(call->reply.as.operation, "123456789012");
}

/* Usage. */

#define METRICS(members, token)                                                                                        \
    "<GetMetricDataResponse><GetMetricDataResult><MetricDataResults>" members "</MetricDataResults>" token             \
    "</GetMetricDataResult></GetMetricDataResponse>"
#define SERIES(id, times, values)                                                                                      \
    "<member><Id>" id "</Id><Label>x</Label><Timestamps>" times "</Timestamps><Values>" values                         \
    "</Values><StatusCode>Complete</StatusCode></member>"
#define T(clock) "<member>2026-01-02T" clock "Z</member>"
#define V(value) "<member>" value "</member>"

static struct cloud_query usage_query(enum cloud_kind kind, const char *const *ids, size_t id_count, int64_t days) {
    struct cloud_query query = {
        .region = "us-east-1", .kind = kind, .ids = ids, .id_count = id_count, .step_ms = 300000};
    cr_assert(time_parse("2026-01-02T00:00:00Z", &query.from_ms));
    query.to_ms = query.from_ms + days * 86400000;
    return query;
}

static const struct adapter_reply *run_usage(const struct cloud_query *query) {
    struct adapter_call *call = bench_call(&bench, 0);
    bench.adapter->ops->usage(bench.adapter, call, query);
    bench_wait(&bench, 0);
    return &call->reply;
}

Test(aws_observe, usage_is_ordered_whatever_the_cloud_sends) {
    static const char *const ids[] = {"web", "none"};
    script_reply(&bench.server, 200, "",
                 METRICS(SERIES("u0", T("00:10:00") T("00:00:00") T("00:05:07"), V("30") V("1.5E1") V("NaN"))
                             SERIES("s0", T("00:00:00"), V("3")) SERIES("u1", "", "")
                                 SERIES("zz", T("00:00:00"), V("9")) SERIES("u7", T("00:00:00"), V("9")),
                         "<NextToken>n</NextToken>"));
    script_reply(&bench.server, 200, "", METRICS(SERIES("u0", T("00:15:00") T("00:10:00"), V("41") V("31")), ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE_GROUP, ids, ARRAY_LEN(ids), 1);
    const struct adapter_reply *reply = run_usage(&query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_eq(reply->count, 1, "an id without data is left out");
    const struct cloud_series *web = reply->as.series;
    cr_expect_str_eq(web->id, "web");
    cr_assert_eq(web->utilization_count, 3);
    cr_expect(web->utilization[0].value == 15 && web->utilization[0].time_ms == query.from_ms);
    cr_expect(web->utilization[1].value == 31, "of a repeated time the last word counts");
    cr_expect(web->utilization[2].value == 41);
    cr_expect(web->serving_count == 1 && web->serving[0].value == 3);
    const char *request = script_request(&bench.server, 0);
    static const char *const parts[] = {
        "Action=GetMetricData&Version=2010-08-01&StartTime=2026-01-02T00%3A00%3A00Z&EndTime=2026-01-03T00%3A00%3A00Z",
        "MetricDataQueries.member.1.Id=u0",
        "member.1.MetricStat.Metric.Namespace=AWS%2FEC2",
        "member.1.MetricStat.Metric.Dimensions.member.1.Name=AutoScalingGroupName",
        "member.1.MetricStat.Period=300&MetricDataQueries.member.1.MetricStat.Stat=Average",
        "member.2.MetricStat.Metric.MetricName=GroupInServiceInstances",
        "member.3.MetricStat.Metric.Dimensions.member.1.Value=none",
        "/us-east-1/monitoring/aws4_request",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        cr_expect(strstr(request, parts[i]) != NULL, "%s not in %s", parts[i], request);
    cr_expect(strstr(script_request(&bench.server, 1), "&NextToken=n&") != NULL);
}

Test(aws_observe, of_memory_the_peak_is_asked_for_of_serving_machines_the_mean) {
    static const char *const ids[] = {"web"};
    script_reply(&bench.server, 200, "",
                 METRICS(SERIES("u0", T("00:05:00") T("00:05:07"), V("80") V("60"))
                             SERIES("s0", T("00:05:00") T("00:05:07"), V("3") V("2")),
                         ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE_GROUP, ids, 1, 1);
    query.metric = CLOUD_METRIC_MEMORY;
    const struct adapter_reply *reply = run_usage(&query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect(reply->as.series[0].utilization_count == 1 && reply->as.series[0].utilization[0].value == 80);
    cr_expect(reply->as.series[0].serving_count == 1 && reply->as.series[0].serving[0].value == 2);
    const char *request = script_request(&bench.server, 0);
    static const char *const parts[] = {
        "member.1.MetricStat.Metric.MetricName=mem_used_percent",
        "member.1.MetricStat.Period=300&MetricDataQueries.member.1.MetricStat.Stat=Maximum",
        "member.2.MetricStat.Period=300&MetricDataQueries.member.2.MetricStat.Stat=Average",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        cr_expect(strstr(request, parts[i]) != NULL, "%s not in %s", parts[i], request);
}

static size_t occurrences(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

Test(aws_observe, two_weeks_of_many_groups_are_split_below_the_limit_of_points) {
    static const char *ids[20];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = "g";
    for (int i = 0; i < 4; i++)
        script_reply(&bench.server, 200, "", METRICS(SERIES("u1", T("00:00:00"), V("5")), ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE_GROUP, ids, ARRAY_LEN(ids), 14);
    const struct adapter_reply *reply = run_usage(&query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->request_count, 4); /* 6 groups x 2 series x 4,032 points = 48,384. */
    cr_expect_eq(reply->count, 4, "the second group of each request");
    cr_expect_eq(occurrences(script_request(&bench.server, 0), "MetricStat.Stat="), 12);
    cr_expect_eq(occurrences(script_request(&bench.server, 3), "MetricStat.Stat="), 4);
}

Test(aws_observe, a_long_time_is_split_into_windows) {
    static const char *const ids[] = {"i-1"};
    script_reply(&bench.server, 200, "", METRICS(SERIES("u0", T("00:00:00"), V("1")), ""));
    script_reply(&bench.server, 200, "", METRICS("", ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE, ids, 1, 20);
    query.step_ms = 60000; /* 28,800 points. */
    const struct adapter_reply *reply = run_usage(&query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect_eq(reply->request_count, 2);
    cr_expect_eq(reply->as.series[0].serving_count, 0);
    cr_expect(strstr(script_request(&bench.server, 0), "EndTime=2026-01-19T12%3A00%3A00Z") != NULL);
    cr_expect(strstr(script_request(&bench.server, 1), "StartTime=2026-01-19T12%3A00%3A00Z") != NULL);
}

Test(aws_observe, more_than_five_hundred_series_are_split) {
    static const char *ids[501];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = "i";
    script_reply(&bench.server, 200, "", METRICS("", ""));
    script_reply(&bench.server, 200, "", METRICS("", ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE, ids, ARRAY_LEN(ids), 0);
    query.to_ms = query.from_ms + 1; /* Less than a step is asked as a whole one. */
    const struct adapter_reply *reply = run_usage(&query);
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_expect(reply->request_count == 2 && reply->count == 0);
}

Test(aws_observe, a_series_that_failed_fails_the_call) {
    static const char *const ids[] = {"web"};
    script_reply(&bench.server, 200, "",
                 METRICS("<member><Id>u0</Id><StatusCode>InternalError</StatusCode></member>", ""));
    struct cloud_query query = usage_query(CLOUD_INSTANCE_GROUP, ids, 1, 1);
    cr_expect_eq(run_usage(&query)->error.class, ERR_RETRYABLE);
}

Test(aws_observe, a_usage_that_cannot_be_asked_is_permanent) {
    static const char *const ids[] = {"web"};
    struct cloud_query good = usage_query(CLOUD_INSTANCE_GROUP, ids, 1, 1), bad[5];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].step_ms = 90000;
    bad[1].to_ms = bad[1].from_ms;
    bad[2].region = "us-east-1.evil.example";
    bad[3].kind = CLOUD_BUCKET;
    bad[4].step_ms = 0;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct adapter_reply *reply = run_usage(&bad[i]);
        cr_expect_eq(reply->error.class, ERR_PERMANENT, "query %zu", i);
        cr_expect_eq(reply->request_count, 0);
    }
}
