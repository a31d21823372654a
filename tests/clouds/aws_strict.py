"""The rules of AWS that moto lets through, kept by a proxy in front of it.

    strict = AwsStrict(moto.url, admin_key)   # the key may read everything: it is used to ask moto how things stand
    client = boto3.client("ec2", endpoint_url=strict.url, ...)

* An instance type that AWS does not know is refused: InvalidParameterValue (RunInstances) or
  InvalidInstanceAttributeValue (ModifyInstanceAttribute). The list is botocore's.
* A machine changes its type only when it is stopped, starts only when it is stopped, stops only when it runs or is
  stopped already: IncorrectInstanceState.
* SetDesiredCapacity outside a group's bounds, or of an unknown group, is a ValidationError.
* RunInstances with a ClientToken that was used gives the same answer again; with other parameters
  IdempotentParameterMismatch. An unknown launch template is InvalidLaunchTemplateId.NotFound or
  InvalidLaunchTemplateName.NotFoundException.
* An address that is attached is not released: InvalidIPAddress.InUse.
* States take time: `polls` times a machine is shown as pending or stopping, a snapshot as pending, after it changed.

test_aws_strict.py holds each rule to the code that boto3 reads from it. Texts are those of AWS's documentation, "Error
codes for the Amazon EC2 API" and "SetDesiredCapacity".

SPDX-License-Identifier: Apache-2.0
"""

import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import aws_proxy  # noqa: E402

EC2 = "http://ec2.amazonaws.com/doc/2016-11-15/"
AUTOSCALING = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
STATES = {"pending": "0", "running": "16", "stopping": "64", "stopped": "80"}


def known_types():
    """The instance types that botocore lists for EC2."""
    import botocore.session

    return frozenset(botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").enum)


def ec2_error(code, message, status=400):
    root = ElementTree.Element("Response")
    error = ElementTree.SubElement(ElementTree.SubElement(root, "Errors"), "Error")
    ElementTree.SubElement(error, "Code").text = code
    ElementTree.SubElement(error, "Message").text = message
    ElementTree.SubElement(root, "RequestID").text = "00000000-0000-0000-0000-000000000000"
    return status, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def autoscaling_error(code, message, status=400):
    root = ElementTree.Element("ErrorResponse", xmlns=AUTOSCALING)
    error = ElementTree.SubElement(root, "Error")
    ElementTree.SubElement(error, "Type").text = "Sender"
    ElementTree.SubElement(error, "Code").text = code
    ElementTree.SubElement(error, "Message").text = message
    ElementTree.SubElement(root, "RequestId").text = "00000000-0000-0000-0000-000000000000"
    return status, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def parse(body):
    """The tree of a reply, without namespaces: moto names several versions of EC2's."""
    root = ElementTree.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def listed(params, prefix):
    """The values of PREFIX.1, PREFIX.2...: a list in the query protocol."""
    return [value for name, value in params.items() if name.rpartition(".")[0] == prefix]


class Judge:
    """answer() before a request is forwarded, amend() after; see AwsProxy. The lock makes what is read hold for what is
    decided on it."""

    def __init__(self, upstream, admin_key, polls):
        self.upstream, self.admin_key, self.polls = upstream, admin_key, polls
        self.types = known_types()
        self.moving = {}  # Id -> [the state that is still shown, how often].
        self.made = {}  # (region, ClientToken) -> (parameters, answer).
        self._clients = {}
        self._lock = threading.RLock()

    def client(self, service, region):
        import boto3

        with self._lock:
            if (service, region) not in self._clients:
                key, secret = self.admin_key
                self._clients[service, region] = boto3.client(
                    service, region, endpoint_url=self.upstream, aws_access_key_id=key, aws_secret_access_key=secret
                )
            return self._clients[service, region]

    def answer(self, request):
        rule = getattr(self, f"_before_{request.action}", None)
        with self._lock:
            return rule(request) if rule else None

    def amend(self, request, status, body):
        rule = getattr(self, f"_after_{request.action}", None)
        with self._lock:
            return rule(request, status, body) if rule and status == 200 else (status, body)

    # ---- machines ----

    def _state(self, request, instance):
        """What the sender has been shown, or will be: the state that rules go by; None if there is no such machine."""
        if instance in self.moving:
            return self.moving[instance][0]
        filters = [{"Name": "instance-id", "Values": [instance]}]
        found = self.client("ec2", request.region).describe_instances(Filters=filters)["Reservations"]
        return found[0]["Instances"][0]["State"]["Name"] if found else None

    def _refuse_state(self, instance, wanted):
        return ec2_error(
            "IncorrectInstanceState", f"The instance '{instance}' is not in a state from which it can be {wanted}."
        )

    def _before_ModifyInstanceAttribute(self, request):
        instance, kind = request.params.get("InstanceId"), request.params.get("InstanceType.Value")
        if kind is None:
            return None
        if kind not in self.types:
            return ec2_error("InvalidInstanceAttributeValue", f"Invalid value '{kind}' for InstanceType.")
        if self._state(request, instance) not in ("stopped", None):
            return ec2_error("IncorrectInstanceState", f"The instance '{instance}' is not in the 'stopped' state.")
        return None

    def _before_StartInstances(self, request):
        for instance in listed(request.params, "InstanceId"):
            if self._state(request, instance) not in ("stopped", "running", "pending", None):
                return self._refuse_state(instance, "started")
        return None

    def _before_StopInstances(self, request):
        for instance in listed(request.params, "InstanceId"):
            if self._state(request, instance) not in ("running", "stopped", "stopping", None):
                return self._refuse_state(instance, "stopped")
        return None

    def _move(self, instances, state):
        for instance in instances:
            self.moving[instance] = [state, self.polls]

    def _moved(self, body, to):
        """The ids in a reply of Start or Stop whose state has changed."""
        root = parse(body)
        return [
            item.findtext("instanceId")
            for item in root.iter("item")
            if item.findtext("previousState/name") not in (None, to)
        ]

    def _after_StartInstances(self, request, status, body):
        self._move(self._moved(body, "running"), "pending")
        return status, body

    def _after_StopInstances(self, request, status, body):
        self._move(self._moved(body, "stopped"), "stopping")
        return status, body

    def _after_TerminateInstances(self, request, status, body):
        for instance in listed(request.params, "InstanceId"):
            self.moving.pop(instance, None)
        return status, body

    def _after_DescribeInstances(self, request, status, body):
        return status, self._show(body, "instanceId", self._show_machine)

    def _show_machine(self, item, state):
        found = item.find("instanceState")
        found.find("name").text = state
        found.find("code").text = STATES[state]

    def _show(self, body, id_name, write):
        """The reply with the states of what still moves."""
        root = parse(body)
        root.set("xmlns", EC2)
        for item in root.iter("item"):
            moving = self.moving.get(item.findtext(id_name))
            if moving and moving[1] > 0:
                moving[1] -= 1
                write(item, moving[0])
        self.moving = {key: value for key, value in self.moving.items() if value[1] > 0}
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)

    # ---- launches ----

    def _before_RunInstances(self, request):
        kind, token = request.params.get("InstanceType"), request.params.get("ClientToken")
        if kind is not None and kind not in self.types:
            return ec2_error("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
        if token is None or (request.region, token) not in self.made:
            return self._refuse_template(request)
        params, answer = self.made[request.region, token]
        if params != request.params:
            return ec2_error(
                "IdempotentParameterMismatch", "The client token has been used with other parameters before."
            )
        return 200, answer

    def _refuse_template(self, request):
        name, number = (request.params.get(f"LaunchTemplate.LaunchTemplate{key}") for key in ("Name", "Id"))
        if not name and not number:
            return None
        known = self.client("ec2", request.region).describe_launch_templates()["LaunchTemplates"]
        if number and number not in [one["LaunchTemplateId"] for one in known]:
            return ec2_error("InvalidLaunchTemplateId.NotFound", f"The template {number} does not exist.")
        if name and name not in [one["LaunchTemplateName"] for one in known]:
            return ec2_error("InvalidLaunchTemplateName.NotFoundException", f"There is no template {name}.")
        return None

    def _after_RunInstances(self, request, status, body):
        root = parse(body)
        self._move([item.text for item in root.iter("instanceId")], "pending")
        if "ClientToken" in request.params:
            self.made[request.region, request.params["ClientToken"]] = (request.params, body)
        return status, body

    # ---- snapshots, addresses ----

    def _after_CreateSnapshot(self, request, status, body):
        root = parse(body)
        root.set("xmlns", EC2)
        root.find("status").text = "pending"
        self._move([root.findtext("snapshotId")], "pending")
        return status, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)

    def _after_DescribeSnapshots(self, request, status, body):
        return status, self._show(body, "snapshotId", self._show_snapshot)

    def _show_snapshot(self, item, state):
        item.find("status").text = state

    def _before_ReleaseAddress(self, request):
        filters = [{"Name": "allocation-id", "Values": [request.params.get("AllocationId", "")]}]
        for address in self.client("ec2", request.region).describe_addresses(Filters=filters)["Addresses"]:
            if address.get("AssociationId"):
                return ec2_error("InvalidIPAddress.InUse", f"The address {address['PublicIp']} is in use.")
        return None

    # ---- groups ----

    def _before_SetDesiredCapacity(self, request):
        name, size = request.params.get("AutoScalingGroupName"), int(request.params.get("DesiredCapacity", 0))
        client = self.client("autoscaling", request.region)
        groups = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        if not groups:
            return autoscaling_error("ValidationError", "AutoScalingGroup name not found - null")
        for bound, word, is_out in (
            (groups[0]["MaxSize"], "above max", size > groups[0]["MaxSize"]),
            (groups[0]["MinSize"], "below min", size < groups[0]["MinSize"]),
        ):
            if is_out:
                return autoscaling_error(
                    "ValidationError",
                    f"New SetDesiredCapacity value {size} is {word} value {bound} for the AutoScalingGroup.",
                )
        return None


class AwsStrict(aws_proxy.AwsProxy):
    def __init__(self, upstream, admin_key, polls=2, on_request=None):
        super().__init__(upstream, on_request, Judge(upstream, admin_key, polls))
