"""moto_server that bears a long test: GetMetricData takes time in proportion to the data, and not to data x periods x
queries, and DescribeInstances in proportion to the machines that there are, and not to all that ever were.

moto walks over all data of the region once for each period of each query: two weeks of 40 metrics at five minutes take
it hours. This is the same answer from one pass; what it does not know (expressions) is left to moto. test_parts.py
holds the two against each other. Machines that have ended are forgotten at once; AWS shows them for an hour, moto for
ever.

SPDX-License-Identifier: Apache-2.0
"""

import sys
from collections import defaultdict
from datetime import timedelta

from moto.cloudwatch import models
from moto.ec2.models import EC2Backend

original = models.CloudWatchBackend.get_metric_data
original_terminate = EC2Backend.terminate_instances


def _key(name, dimensions):
    return name, tuple(sorted((d.name, d.value) for d in dimensions))


def get_metric_data(self, queries, start_time, end_time, scan_by="TimestampAscending"):
    plain = all("MetricStat" in q and q["MetricStat"]["Metric"].get("Dimensions") for q in queries)
    if not plain or start_time >= end_time:
        return original(self, queries, start_time, end_time, scan_by)
    start, end = start_time.replace(microsecond=0), end_time.replace(microsecond=0)
    data = defaultdict(list)
    for datum in self.get_all_metrics():
        if start <= datum.timestamp < end:
            data[_key(datum.name, datum.dimensions)].append(datum)
    results = []
    for query in queries:
        stat = query["MetricStat"]
        metric, period = stat["Metric"], timedelta(seconds=int(stat["Period"]))
        dimensions = [models.Dimension(name=d["Name"], value=d["Value"]) for d in metric["Dimensions"]]
        periods = defaultdict(list)
        for datum in data[_key(metric["MetricName"], dimensions)]:
            if not stat.get("Unit") or datum.unit == stat["Unit"]:
                periods[(datum.timestamp - start) // period].append(datum)
        times, values = [], []
        for number in sorted(periods, reverse=scan_by == "TimestampDescending"):
            statistics = models.Statistics([stat["Stat"]], start + number * period)
            statistics.metric_data = periods[number]
            values.append(statistics.get_statistics_for_type(stat["Stat"]))
            times.append(statistics.timestamp)
        if query.get("ReturnData", True):
            label = query.get("Label") or f"{metric['MetricName']} {stat['Stat']}"
            results.append(
                {"id": query["Id"], "label": label, "values": values, "timestamps": times, "status_code": "Complete"}
            )
    return results


def terminate_instances(self, instance_ids):
    ended = original_terminate(self, instance_ids)
    gone = {instance.id for instance, _ in ended}
    for key, reservation in list(self.reservations.items()):
        left = [i for i in reservation.instances if i.id not in gone]
        if not left and reservation.instances:  # An empty one is being filled by another request just now.
            del self.reservations[key]
        elif len(left) < len(reservation.instances):
            reservation.instances = left
    return ended


def main():
    from moto.server import main as moto_main

    models.CloudWatchBackend.get_metric_data = get_metric_data
    EC2Backend.terminate_instances = terminate_instances
    sys.exit(moto_main(sys.argv[1:]))


if __name__ == "__main__":
    main()
