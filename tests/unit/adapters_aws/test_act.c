/*
 * What the adapter asks AWS to change: each verb's requests in their order, handles, and what a refusal leads to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/aws/act.h"
#include "base/str.h"
#include "bench.h"

#define INSTANCE_WITH(state, type, rest)                                                                               \
    "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceState>" \
    "<name>" state "</name></instanceState><instanceType>" type "</instanceType>" rest                                 \
    "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
#define INSTANCE(state, type) INSTANCE_WITH(state, type, "")
#define NO_INSTANCE "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"
#define TYPE(name)                                                                                                     \
    "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>" name                                        \
    "</instanceType></item></instanceTypeSet></DescribeInstanceTypesResponse>"
#define STORE(name, has)                                                                                               \
    "<item><instanceType>" name "</instanceType><instanceStorageSupported>" has "</instanceStorageSupported></item>"
#define TYPES(items)                                                                                                   \
    "<DescribeInstanceTypesResponse><instanceTypeSet>" items "</instanceTypeSet></DescribeInstanceTypesResponse>"
#define EMPTY(action) "<" action "Response><return>true</return></" action "Response>"
#define FAULT(code) "<Response><Errors><Error><Code>" code "</Code><Message>m</Message></Error></Errors></Response>"
#define SNAPSHOT(status)                                                                                               \
    "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId><status>" status                     \
    "</status></item></snapshotSet></DescribeSnapshotsResponse>"
#define NO_SNAPSHOT "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>"

static struct bench bench;

static void set_up(void) {
    bench_init(&bench);
    bench_open_static(&bench);
}

static void tear_down(void) {
    bench_release(&bench);
}

TestSuite(aws_act, .init = set_up, .fini = tear_down);

static const struct cloud_tag tags[] = {{"team", "结账 & <co>"}, {CLOUD_TAG_OWNER, "trimtab-a"}};

static struct cloud_action action_of(enum cloud_verb verb, enum cloud_kind kind, const char *id) {
    return (struct cloud_action){.verb = verb,
                                 .kind = kind,
                                 .region = "eu-west-1",
                                 .id = id,
                                 .type = verb == CLOUD_RESIZE ? "m5.large" : NULL,
                                 .tags = tags,
                                 .tag_count = 2,
                                 .token = "token-1"};
}

static const struct adapter_reply *apply(const struct cloud_action *action) {
    struct adapter_call *call = bench_call(&bench, 0);
    bench.adapter->ops->apply(bench.adapter, call, action);
    bench_wait(&bench, 0);
    return &call->reply;
}

static const struct adapter_reply *apply_to(enum cloud_verb verb, enum cloud_kind kind, const char *id) {
    struct cloud_action action = action_of(verb, kind, id);
    return apply(&action);
}

static const struct adapter_reply *poll(const char *operation) {
    struct adapter_call *call = bench_call(&bench, 1);
    bench.adapter->ops->poll(bench.adapter, call, operation);
    bench_wait(&bench, 1);
    return &call->reply;
}

static void expect_operation(const struct adapter_reply *reply, const char *operation) {
    cr_assert_eq(reply->error.class, ERR_NONE, "%s", reply->error.message);
    cr_assert_str_eq(reply->as.operation, operation);
    cr_expect((reply->poll_after_ms > 0) == (operation[0] != '\0'), "poll after %u ms", reply->poll_after_ms);
}

static void expect_error(const struct adapter_reply *reply, enum err_class class, enum err_effect effect,
                         const char *message) {
    cr_assert_eq(reply->error.class, class, "class %s: %s", error_class_name(reply->error.class), reply->error.message);
    cr_expect_eq(reply->error.effect, effect, "effect %d: %s", (int)reply->error.effect, reply->error.message);
    cr_expect(strstr(reply->error.message, message) != NULL, "%s", reply->error.message);
}

static void expect_sent(size_t index, const char *text) {
    cr_expect(strstr(script_request(&bench.server, index), text) != NULL, "request %zu lacks %s:\n%s", index, text,
              script_request(&bench.server, index));
}

static void answer(const char *body) {
    script_reply(&bench.server, 200, "", body);
}

static void refuse(const char *body) {
    script_reply(&bench.server, 400, "", body);
}

Test(aws_act, a_resize_stops_modifies_and_starts_by_polls) {
    answer(INSTANCE("running", "m5.xlarge"));
    answer(TYPE("m5.large"));
    expect_operation(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), "resize:eu-west-1:i-1:m5.large:m5.xlarge:running");
    expect_sent(0, "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1");
    expect_sent(1, "Action=DescribeInstanceTypes&Version=2016-11-15&InstanceType.1=m5.large&InstanceType.2=m5.xlarge");
    const char *handle = "resize:eu-west-1:i-1:m5.large:m5.xlarge:running";
    static const struct {
        const char *machine, *reply, *sent;
    } turns[] = {
        {INSTANCE("running", "m5.xlarge"), EMPTY("StopInstances"),
         "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1"},
        {INSTANCE("stopping", "m5.xlarge"), NULL, NULL},
        {INSTANCE("stopped", "m5.xlarge"), EMPTY("ModifyInstanceAttribute"),
         "Action=ModifyInstanceAttribute&Version=2016-11-15&InstanceId=i-1&InstanceType.Value=m5.large"},
        {INSTANCE("stopped", "m5.large"), EMPTY("StartInstances"),
         "Action=StartInstances&Version=2016-11-15&InstanceId.1=i-1"},
        {INSTANCE("pending", "m5.large"), NULL, NULL},
    };
    size_t sent = 2;
    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        answer(turns[i].machine);
        if (turns[i].reply != NULL)
            answer(turns[i].reply);
        expect_operation(poll(handle), handle);
        expect_sent(sent++, "Action=DescribeInstances");
        if (turns[i].sent != NULL)
            expect_sent(sent++, turns[i].sent);
    }
    answer(INSTANCE("running", "m5.large"));
    expect_operation(poll(handle), "");
    cr_expect_eq(bench.server.request_count, sent + 1);
}

Test(aws_act, a_stopped_machine_is_resized_and_stays_stopped) {
    answer(INSTANCE("stopped", "m5.xlarge"));
    answer(TYPE("m5.large"));
    const char *handle = "resize:eu-west-1:i-1:m5.large:m5.xlarge:stopped";
    expect_operation(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), handle);
    answer(INSTANCE("stopped", "m5.xlarge"));
    answer(EMPTY("ModifyInstanceAttribute"));
    expect_operation(poll(handle), handle);
    answer(INSTANCE("stopped", "m5.large"));
    expect_operation(poll(handle), "");
}

Test(aws_act, what_is_so_already_is_done_by_looking) {
    static const struct {
        enum cloud_verb verb;
        const char *machine;
    } rows[] = {{CLOUD_RESIZE, INSTANCE("running", "m5.large")},
                {CLOUD_START, INSTANCE("running", "m5.xlarge")},
                {CLOUD_STOP, INSTANCE("stopped", "m5.xlarge")}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        answer(rows[i].machine);
        const struct adapter_reply *reply = apply_to(rows[i].verb, CLOUD_INSTANCE, "i-1");
        expect_operation(reply, "");
        cr_expect_eq(reply->request_count, 1);
    }
}

Test(aws_act, a_type_that_is_not_sold_is_found_out_before_the_machine_is_stopped) {
    answer(INSTANCE("running", "m5.xlarge"));
    refuse(FAULT("InvalidInstanceType"));
    expect_error(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), ERR_PERMANENT, EFFECT_NONE, "InvalidInstanceType");
    answer(INSTANCE("running", "m5.xlarge"));
    answer(TYPE("other"));
    expect_error(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), ERR_PERMANENT, EFFECT_NONE, "not sold in eu-west-1");
    cr_expect_eq(bench.server.request_count, 4);
}

Test(aws_act, a_machine_that_cannot_start_with_its_new_type_gets_the_old_one_back) {
    answer(INSTANCE("stopped", "m5.large"));
    script_reply(&bench.server, 500, "", FAULT("InsufficientInstanceCapacity"));
    const char *back = "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:InsufficientInstanceCapacity";
    expect_operation(poll("resize:eu-west-1:i-1:m5.large:m5.xlarge:running"), back);
    answer(INSTANCE("stopped", "m5.large"));
    answer(EMPTY("ModifyInstanceAttribute"));
    expect_operation(poll(back), back);
    expect_sent(3, "InstanceType.Value=m5.xlarge");
    answer(INSTANCE("stopped", "m5.xlarge"));
    answer(EMPTY("StartInstances"));
    expect_operation(poll(back), back);
    answer(INSTANCE("running", "m5.xlarge"));
    const struct adapter_reply *reply = poll(back);
    expect_error(reply, ERR_CAPACITY, EFFECT_NONE, "it runs as m5.xlarge again");
    cr_expect_str_eq(reply->error.code, "InsufficientInstanceCapacity");
}

Test(aws_act, a_refused_modification_starts_the_machine_again) {
    answer(INSTANCE("stopped", "m5.xlarge"));
    refuse(FAULT("InvalidParameterCombination"));
    const char *back = "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:InvalidParameterCombination";
    expect_operation(poll("resize:eu-west-1:i-1:m5.large:m5.xlarge:running"), back);
    answer(INSTANCE("stopped", "m5.xlarge"));
    script_reply(&bench.server, 403, "", FAULT("UnauthorizedOperation"));
    expect_error(poll(back), ERR_PERMISSION, EFFECT_APPLIED,
                 "i-1 stays stopped: m5.large could not be had (InvalidParameterCombination), nor could it run as "
                 "m5.xlarge again: StartInstances: UnauthorizedOperation");
    answer(INSTANCE("running", "m5.xlarge"));
    expect_error(poll(back), ERR_PERMANENT, EFFECT_NONE, "m5.large could not be had");
}

Test(aws_act, a_machine_that_cannot_have_its_old_type_back_either_is_said_to_stay_stopped) {
    const char *back = "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:Unsupported";
    answer(INSTANCE("stopped", "m5.xlarge"));
    script_reply(&bench.server, 500, "", FAULT("InsufficientInstanceCapacity"));
    const struct adapter_reply *reply = poll(back);
    expect_error(reply, ERR_CAPACITY, EFFECT_APPLIED,
                 "i-1 stays stopped: m5.large could not be had (Unsupported), nor could it run as m5.xlarge again: "
                 "StartInstances: InsufficientInstanceCapacity");
    cr_expect_str_eq(reply->error.code, "InsufficientInstanceCapacity");
    answer(INSTANCE("stopped", "m5.large"));
    script_reply(&bench.server, 500, "", FAULT("InsufficientInstanceCapacity"));
    expect_error(poll(back), ERR_CAPACITY, EFFECT_APPLIED, "i-1 stays stopped");
    expect_sent(3, "InstanceType.Value=m5.xlarge");
    /* What may pass is no end: it is tried again. */
    answer(INSTANCE("stopped", "m5.xlarge"));
    script_reply(&bench.server, 503, "", FAULT("RequestLimitExceeded"));
    reply = poll(back);
    expect_error(reply, ERR_THROTTLED, EFFECT_NONE, "StartInstances");
    cr_expect(strstr(reply->error.message, "stays stopped") == NULL, "%s", reply->error.message);
}

static void expect_store(const struct adapter_reply *reply, const char *message) {
    expect_error(reply, ERR_PERMANENT, EFFECT_NONE, message);
    cr_expect_str_eq(reply->error.code, "InstanceStore");
}

Test(aws_act, a_machine_with_disks_of_its_own_is_neither_stopped_nor_resized) {
    static const char *const states[] = {INSTANCE("running", "i3.large"), INSTANCE("pending", "i3.large")};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        answer(states[i]);
        answer(TYPES(STORE("i3.large", "true")));
        expect_store(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "i-1 is not stopped: i3.large has disks of its own");
        expect_sent(4 * i + 1, "Action=DescribeInstanceTypes&Version=2016-11-15&InstanceType.1=i3.large");
        answer(states[i]);
        answer(TYPES(STORE("m5.large", "false") STORE("i3.large", "true")));
        expect_store(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), "data would be lost");
        expect_sent(4 * i + 3, "&InstanceType.1=m5.large&InstanceType.2=i3.large");
    }
    /* Not told is not harmless. */
    answer(INSTANCE("running", "i3.large"));
    answer(TYPE("i3.large"));
    expect_store(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "AWS does not tell");
    answer(INSTANCE("running", "i3.large"));
    answer(TYPE("m5.large"));
    expect_store(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), "AWS does not tell");
    cr_expect_eq(bench.server.request_count, 12);
}

Test(aws_act, a_machine_whose_root_is_an_instance_store_is_not_stopped) {
    static const enum cloud_verb verbs[] = {CLOUD_STOP, CLOUD_RESIZE};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        answer(INSTANCE_WITH("running", "m5.xlarge", "<rootDeviceType>instance-store</rootDeviceType>"));
        expect_store(apply_to(verbs[i], CLOUD_INSTANCE, "i-1"), "as its root disk");
    }
    cr_expect_eq(bench.server.request_count, 2);
}

Test(aws_act, a_type_is_asked_for_before_a_stop_only_if_its_name_does_not_tell) {
    answer(INSTANCE("running", "g5g.xlarge"));
    answer(TYPES(STORE("g5g.xlarge", "false")));
    answer(EMPTY("StopInstances"));
    expect_operation(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "stop:eu-west-1:i-1");
    expect_sent(2, "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1");
    answer(INSTANCE("pending", "g5g.xlarge")); /* Not to be stopped yet: the poll will. */
    answer(TYPES(STORE("g5g.xlarge", "false")));
    expect_operation(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "stop:eu-west-1:i-1");
    answer(INSTANCE("running", "m5.xlarge"));
    answer(EMPTY("StopInstances"));
    expect_operation(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "stop:eu-west-1:i-1");
    answer(INSTANCE("stopping", "i3.large")); /* There is nothing left to lose. */
    expect_operation(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), "stop:eu-west-1:i-1");
    answer(INSTANCE("running", "i3.large"));
    script_reply(&bench.server, 403, "", FAULT("UnauthorizedOperation"));
    expect_error(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), ERR_PERMISSION, EFFECT_NONE, "DescribeInstanceTypes");
    cr_expect_eq(bench.server.request_count, 10);
}

Test(aws_act, a_name_tells_that_there_is_no_instance_store_or_nothing) {
    static const char *const lacking[] = {"t2.micro",    "t3a.nano",   "m4.large",    "c5.xlarge",      "m6in.large",
                                          "c8gn.xlarge", "r7iz.large", "m8azn.large", "c7i-flex.large", "m10g.large"};
    static const char *const unknown[] = {"m5d.large", "c6gd.large", "r5dn.large", "m3.large",    "c1.medium",
                                          "r3.large",  "i3.large",   "mac1.metal", "p5.48xlarge", "x1e.large",
                                          "m5",        "m.large",    "m5ad.large", "m8idb.large", "",
                                          "m0.large",  "m-9.large",  "d3.large"};
    for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
        cr_expect(aws_type_lacks_store(lacking[i]), "%s", lacking[i]);
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        cr_expect(!aws_type_lacks_store(unknown[i]), "%s", unknown[i]);
}

Test(aws_act, a_stopped_machine_with_disks_of_its_own_is_resized_and_not_stopped_if_it_runs_by_then) {
    const char *handle = "resize:eu-west-1:i-1:m5.large:i3.large:stopped";
    answer(INSTANCE("stopped", "i3.large"));
    answer(TYPES(STORE("m5.large", "false") STORE("i3.large", "true")));
    expect_operation(apply_to(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"), handle);
    answer(INSTANCE("running", "i3.large"));
    expect_error(poll(handle), ERR_CONFLICT, EFFECT_NONE, "somebody has started it");
    answer(INSTANCE("stopped", "i3.large"));
    answer(EMPTY("ModifyInstanceAttribute"));
    expect_operation(poll(handle), handle);
    cr_expect_eq(bench.server.request_count, 5);
}

Test(aws_act, a_machine_that_moved_between_look_and_step_is_looked_at_again) {
    const char *handle = "resize:eu-west-1:i-1:m5.large:m5.xlarge:running";
    answer(INSTANCE("stopped", "m5.xlarge"));
    refuse(FAULT("IncorrectInstanceState"));
    expect_operation(poll(handle), handle);
    answer(INSTANCE("stopped", "m5.xlarge"));
    refuse(FAULT("RequestLimitExceeded"));
    expect_error(poll(handle), ERR_THROTTLED, EFFECT_NONE, "ModifyInstanceAttribute");
}

Test(aws_act, the_effect_of_a_failure_is_that_of_the_request_that_failed) {
    script_reply(&bench.server, 500, "", FAULT("InternalError"));
    expect_error(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_NONE, "DescribeInstances");
    answer(INSTANCE("running", "m5.large"));
    script_reply(&bench.server, 500, "", FAULT("InternalError"));
    expect_error(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_UNKNOWN, "StopInstances");
    script_raw(&bench.server, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<Describe");
    expect_error(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_NONE, "DescribeInstances");
    answer(INSTANCE("running", "m5.large"));
    script_raw(&bench.server, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<StopInst");
    expect_error(apply_to(CLOUD_STOP, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_UNKNOWN, "StopInstances");
}

Test(aws_act, a_machine_that_is_gone_or_a_groups_is_left_alone) {
    static const char group[] = INSTANCE_WITH(
        "running", "m5.large", "<tagSet><item><key>aws:autoscaling:groupName</key><value>web</value></item></tagSet>");
    static const enum cloud_verb verbs[] = {CLOUD_RESIZE, CLOUD_START, CLOUD_STOP};
    answer(group);
    expect_error(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), ERR_PERMANENT, EFFECT_NONE, "belongs to the group web");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        answer(group);
        expect_error(apply_to(verbs[i], CLOUD_INSTANCE, "i-1"), ERR_PERMANENT, EFFECT_NONE, "belongs to the group web");
        answer(INSTANCE("terminated", "m5.xlarge"));
        expect_error(apply_to(verbs[i], CLOUD_INSTANCE, "i-1"), ERR_CONFLICT, EFFECT_NONE, "i-1 is terminated");
        refuse(FAULT("InvalidInstanceID.NotFound"));
        expect_error(apply_to(verbs[i], CLOUD_INSTANCE, "i-1"), ERR_CONFLICT, EFFECT_NONE, "NotFound");
    }
    cr_expect_eq(bench.server.request_count, 10);
}

Test(aws_act, a_machine_is_made_once_for_a_token_and_bears_owner_and_token) {
    static const char made[] =
        "<RunInstancesResponse><instancesSet><item><instanceId>i-9</instanceId></item></instancesSet>"
        "</RunInstancesResponse>";
    struct cloud_action action = action_of(CLOUD_CREATE, CLOUD_INSTANCE, "lt-0123456789abcdef0:7");
    action.type = "c5.large";
    action.zone = "eu-west-1b";
    answer(made);
    const struct adapter_reply *reply = apply(&action);
    expect_operation(reply, "create:eu-west-1:i-9");
    cr_expect_str_eq(reply->id, "i-9");
    expect_sent(0, "Action=RunInstances&Version=2016-11-15&LaunchTemplate.LaunchTemplateId=lt-0123456789abcdef0&"
                   "LaunchTemplate.Version=7&MinCount=1&MaxCount=1&ClientToken=token-1&InstanceType=c5.large&"
                   "Placement.AvailabilityZone=eu-west-1b&TagSpecification.1.ResourceType=instance&"
                   "TagSpecification.1.Tag.1.Key=team&"
                   "TagSpecification.1.Tag.1.Value=%E7%BB%93%E8%B4%A6+%26+%3Cco%3E&"
                   "TagSpecification.1.Tag.2.Key=trimtab.dev%2Fowner&TagSpecification.1.Tag.2.Value=trimtab-a&"
                   "TagSpecification.1.Tag.3.Key=trimtab.dev%2Ftoken&TagSpecification.1.Tag.3.Value=token-1&"
                   "TagSpecification.2.ResourceType=volume&");
    answer(made);
    apply_to(CLOUD_CREATE, CLOUD_INSTANCE, "lt-web");
    expect_sent(1, "&LaunchTemplate.LaunchTemplateName=lt-web&MinCount=1&MaxCount=1&ClientToken=token-1&TagSpec");
}

Test(aws_act, a_new_machine_is_awaited_until_it_runs) {
    const char *handle = "create:eu-west-1:i-9";
    answer(NO_INSTANCE); /* Not visible yet. */
    expect_operation(poll(handle), handle);
    expect_sent(0, "Filter.1.Name=instance-id&Filter.1.Value.1=i-9");
    answer(INSTANCE("pending", "m5.large"));
    expect_operation(poll(handle), handle);
    answer(INSTANCE("running", "m5.large"));
    const struct adapter_reply *reply = poll(handle);
    expect_operation(reply, "");
    cr_expect_str_eq(reply->id, "i-9");
    answer(INSTANCE_WITH("terminated", "m5.large",
                         "<stateReason><code>Server.InsufficientInstanceCapacity</code></stateReason>"));
    reply = poll(handle);
    expect_error(reply, ERR_CAPACITY, EFFECT_NONE, "i-9 is terminated: InsufficientInstanceCapacity");
    answer(INSTANCE_WITH("terminated", "m5.large",
                         "<stateReason><code>Client.UserInitiatedShutdown</code></stateReason>"));
    expect_error(poll(handle), ERR_CONFLICT, EFFECT_NONE, "UserInitiatedShutdown");
}

Test(aws_act, a_snapshot_is_looked_for_by_its_token_before_it_is_taken) {
    answer(NO_SNAPSHOT);
    answer("<CreateSnapshotResponse><snapshotId>snap-1</snapshotId><status>pending</status></CreateSnapshotResponse>");
    const struct adapter_reply *reply = apply_to(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "vol-1");
    expect_operation(reply, "snapshot:eu-west-1:snap-1");
    cr_expect_str_eq(reply->id, "snap-1");
    expect_sent(0, "Action=DescribeSnapshots&Version=2016-11-15&Owner.1=self&Filter.1.Name=tag%3Atrimtab.dev%2Ftoken&"
                   "Filter.1.Value.1=token-1&Filter.2.Name=volume-id&Filter.2.Value.1=vol-1");
    expect_sent(1, "Action=CreateSnapshot&Version=2016-11-15&VolumeId=vol-1&TagSpecification.1.ResourceType=snapshot&");
    expect_sent(1, "Tag.3.Key=trimtab.dev%2Ftoken&TagSpecification.1.Tag.3.Value=token-1");
    answer(SNAPSHOT("pending"));
    expect_operation(apply_to(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "vol-1"), "snapshot:eu-west-1:snap-1");
    answer(SNAPSHOT("pending"));
    expect_operation(poll("snapshot:eu-west-1:snap-1"), "snapshot:eu-west-1:snap-1");
    answer(NO_SNAPSHOT);
    expect_operation(poll("snapshot:eu-west-1:snap-1"), "snapshot:eu-west-1:snap-1");
    answer(SNAPSHOT("completed"));
    reply = poll("snapshot:eu-west-1:snap-1");
    expect_operation(reply, "");
    cr_expect_str_eq(reply->id, "snap-1");
    answer(SNAPSHOT("error"));
    expect_error(poll("snapshot:eu-west-1:snap-1"), ERR_CONFLICT, EFFECT_NONE, "snap-1 failed");
}

Test(aws_act, deletion_names_one_thing_and_what_is_gone_is_deleted) {
    static const struct {
        enum cloud_kind kind;
        const char *id, *action, *sent;
    } rows[] = {
        {CLOUD_VOLUME, "vol-1", EMPTY("DeleteVolume"), "Action=DeleteVolume&Version=2016-11-15&VolumeId=vol-1"},
        {CLOUD_SNAPSHOT, "snap-1", EMPTY("DeleteSnapshot"),
         "Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap-1"},
        {CLOUD_ADDRESS, "eipalloc-1", EMPTY("ReleaseAddress"),
         "Action=ReleaseAddress&Version=2016-11-15&AllocationId=eipalloc-1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        answer(rows[i].action);
        expect_operation(apply_to(CLOUD_DELETE, rows[i].kind, rows[i].id), "");
        expect_sent(3 * i, rows[i].sent);
        refuse(FAULT("InvalidThing.NotFound"));
        expect_operation(apply_to(CLOUD_DELETE, rows[i].kind, rows[i].id), "");
        refuse(FAULT("OperationNotPermitted"));
        expect_error(apply_to(CLOUD_DELETE, rows[i].kind, rows[i].id), ERR_PERMANENT, EFFECT_NONE, "NotPermitted");
    }
}

Test(aws_act, a_machine_is_looked_at_before_it_is_deleted) {
    answer(INSTANCE("running", "i3.large"));
    answer(EMPTY("TerminateInstances"));
    expect_operation(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), "");
    expect_sent(0, "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1");
    expect_sent(1, "Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-1");
    static const char *const gone[] = {INSTANCE("terminated", "m5.large"), INSTANCE("shutting-down", "m5.large")};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        answer(gone[i]);
        expect_operation(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), "");
    }
    refuse(FAULT("InvalidInstanceID.NotFound"));
    expect_operation(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), "");
    answer(INSTANCE("stopped", "m5.large"));
    refuse(FAULT("InvalidInstanceID.NotFound"));
    expect_operation(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), "");
    cr_expect_eq(bench.server.request_count, 7);
}

Test(aws_act, the_effect_of_a_deletion_that_fails_is_that_of_its_last_request) {
    answer(NO_INSTANCE);
    expect_error(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_NONE, "holds no instance");
    script_reply(&bench.server, 500, "", FAULT("InternalError"));
    expect_error(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_NONE, "DescribeInstances");
    answer(INSTANCE("running", "m5.large"));
    script_reply(&bench.server, 500, "", FAULT("InternalError"));
    expect_error(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), ERR_RETRYABLE, EFFECT_UNKNOWN, "TerminateInstances");
    answer(INSTANCE("running", "m5.large"));
    refuse(FAULT("OperationNotPermitted"));
    expect_error(apply_to(CLOUD_DELETE, CLOUD_INSTANCE, "i-1"), ERR_PERMANENT, EFFECT_NONE, "NotPermitted");
}

Test(aws_act, what_is_made_bears_fifty_tags_at_most_and_its_token_once) {
    struct cloud_tag many[50];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct cloud_tag){arena_printf(&bench.arena, "k%zu", i), "v"};
    struct cloud_action action = action_of(CLOUD_CREATE, CLOUD_INSTANCE, "lt-web");
    action.tags = many;
    action.tag_count = 50;
    expect_error(apply(&action), ERR_PERMANENT, EFFECT_NONE, "more than 49 tags");
    cr_expect_eq(bench.server.request_count, 0);
    many[0].key = CLOUD_TAG_TOKEN;
    answer("<RunInstancesResponse><instancesSet><item><instanceId>i-9</instanceId></item></instancesSet>"
           "</RunInstancesResponse>");
    expect_operation(apply(&action), "create:eu-west-1:i-9");
    expect_sent(0, "TagSpecification.1.Tag.1.Key=k1&");
    expect_sent(0, "TagSpecification.1.Tag.49.Key=k49&TagSpecification.1.Tag.49.Value=v&"
                   "TagSpecification.1.Tag.50.Key=trimtab.dev%2Ftoken&TagSpecification.1.Tag.50.Value=token-1&"
                   "TagSpecification.2.");
}

Test(aws_act, tags_are_set_by_create_tags) {
    answer(EMPTY("CreateTags"));
    expect_operation(apply_to(CLOUD_TAG, CLOUD_SNAPSHOT, "snap-1"), "");
    expect_sent(0, "Action=CreateTags&Version=2016-11-15&ResourceId.1=snap-1&Tag.1.Key=team&"
                   "Tag.1.Value=%E7%BB%93%E8%B4%A6+%26+%3Cco%3E&Tag.2.Key=trimtab.dev%2Fowner&Tag.2.Value=trimtab-a");
}

#define GROUP_TAGGED(value)                                                                                            \
    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><Tags><member>"    \
    "<Key>team</Key><Value>" value                                                                                     \
    "</Value><PropagateAtLaunch>true</PropagateAtLaunch></member><member><Key>" CLOUD_TAG_OWNER                        \
    "</Key><Value>trimtab-a</Value></member></Tags></member></AutoScalingGroups>"                                      \
    "</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"

Test(aws_act, a_groups_tags_keep_whether_machines_get_them) {
    answer(GROUP_TAGGED("old"));
    answer(EMPTY("CreateOrUpdateTags"));
    expect_operation(apply_to(CLOUD_TAG, CLOUD_INSTANCE_GROUP, "web & co"), "");
    expect_sent(0, "AutoScalingGroupNames.member.1=web+%26+co");
    expect_sent(1, "Action=CreateOrUpdateTags&Version=2011-01-01&Tags.member.1.Key=team&"
                   "Tags.member.1.Value=%E7%BB%93%E8%B4%A6+%26+%3Cco%3E&Tags.member.1.ResourceId=web+%26+co&"
                   "Tags.member.1.ResourceType=auto-scaling-group&Tags.member.1.PropagateAtLaunch=true");
    cr_expect(strstr(script_request(&bench.server, 1), "Tags.member.2") == NULL, "the owner's tag was there already");
    answer(GROUP_TAGGED("结账 &amp; &lt;co&gt;"));
    expect_operation(apply_to(CLOUD_TAG, CLOUD_INSTANCE_GROUP, "web"), "");
    answer("<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups/>"
           "</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>");
    expect_error(apply_to(CLOUD_TAG, CLOUD_INSTANCE_GROUP, "web"), ERR_CONFLICT, EFFECT_NONE, "no group web");
    cr_expect_eq(bench.server.request_count, 4);
}

Test(aws_act, what_is_not_supported_or_makes_no_sense_is_refused_without_a_request) {
    struct cloud_action rows[] = {
        action_of(CLOUD_DELETE, CLOUD_BUCKET, "data"),
        action_of(CLOUD_SCALE, CLOUD_INSTANCE, "i-1"),
        action_of(CLOUD_SET_BOUNDS, CLOUD_INSTANCE_GROUP, "web"),
        action_of(CLOUD_RESIZE, CLOUD_INSTANCE_GROUP, "web"),
        action_of(CLOUD_DELETE, CLOUD_INSTANCE_GROUP, "web"),
        action_of(CLOUD_CREATE, CLOUD_VOLUME, "x"),
        action_of(CLOUD_START, CLOUD_INSTANCE, ""),
        action_of(CLOUD_START, CLOUD_INSTANCE, "i-1:x"),
        action_of(CLOUD_START, CLOUD_INSTANCE, NULL),
        action_of(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"),
        action_of(CLOUD_RESIZE, CLOUD_INSTANCE, "i-1"),
        action_of(CLOUD_CREATE, CLOUD_INSTANCE, "lt"),
        action_of(CLOUD_CREATE, CLOUD_INSTANCE, "lt"),
        action_of(CLOUD_CREATE, CLOUD_INSTANCE, "l t"),
        action_of(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "vol-1"),
        action_of(CLOUD_TAG, CLOUD_VOLUME, "vol-1"),
        action_of(CLOUD_TAG, CLOUD_INSTANCE_GROUP, ""),
        action_of(CLOUD_STOP, CLOUD_INSTANCE, "i-1"),
        action_of(CLOUD_CREATE, CLOUD_INSTANCE, "lt"),
        action_of(CLOUD_TAKE_SNAPSHOT, CLOUD_VOLUME, "vol-1"),
    };
    struct cloud_tag many[50];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct cloud_tag){arena_printf(&bench.arena, "k%zu", i), "v"};
    rows[19].tags = many;
    rows[19].tag_count = ARRAY_LEN(many);
    rows[9].type = NULL;
    rows[10].type = "m5:large";
    rows[11].token = NULL;
    rows[12].token = "a token that has far more than the sixty-four characters that AWS takes";
    rows[14].token = "";
    rows[15].tag_count = 0;
    rows[17].region = "eu-west-1.evil.example";
    rows[18].zone = "eu-west-1b&x";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct adapter_reply *reply = apply(&rows[i]);
        cr_expect(reply->error.class == ERR_PERMANENT && reply->error.effect == EFFECT_NONE, "row %zu: %s", i,
                  reply->error.message);
        cr_expect(str_has_prefix(reply->error.message, "aws: "), "row %zu: %s", i, reply->error.message);
    }
    cr_expect_eq(bench.server.request_count, 0);
}

Test(aws_act, a_handle_that_is_not_ours_is_refused_without_a_request) {
    static const char *const handles[] = {
        "",
        ":",
        "start",
        "start:eu-west-1",
        "start:eu-west-1:",
        "start:eu-west-1:i-1:",
        "start:EU:i-1",
        "begin:eu-west-1:i-1",
        "resize:eu-west-1:i-1",
        "resize:eu-west-1:i-1:m5.large:m5.xlarge",
        "resize:eu-west-1:i-1:m5.large:m5.xlarge:ran",
        "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:",
        "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:A:B",
        "resize:eu-west-1:i-1:m5 large:m5.xlarge:running",
        "a:b:c:d:e:f:g:h:i:j:k",
    };
    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        expect_error(poll(handles[i]), ERR_PERMANENT, EFFECT_NONE, "not a handle of this adapter");
    expect_error(poll(NULL), ERR_PERMANENT, EFFECT_NONE, "not a handle");
    cr_expect_eq(bench.server.request_count, 0);
}

Test(aws_act, a_handle_survives_printing_and_is_bounded) {
    static const char *const handles[] = {"start:eu-west-1:i-1",
                                          "stop:eu-west-1:i-1",
                                          "create:us-east-1:i-1",
                                          "snapshot:us-east-1:snap-1",
                                          "resize:eu-west-1:i-1:m5.large:m5.xlarge:stopped",
                                          "resize:eu-west-1:i-1:m5.large:m5.xlarge:running:Unsupported"};
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        struct aws_operation operation;
        cr_assert(aws_operation_parse(handles[i], &bench.arena, &operation));
        cr_expect_str_eq(aws_operation_print(&operation, &bench.arena), handles[i]);
    }
}
