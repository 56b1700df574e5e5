"""Alarms and metrics of the traffic that really passed, and logs. In a world that runs fast."""

import datetime
import functools
import os
import time
import urllib.error
import urllib.request

import boto3
import botocore.session
from targets import Target
from world import ONCE, PATIENT, Case, main, session, snapshot

READER = "arn:aws:iam::222222222222:role/reader"
NAMESPACE = "AWS/ApplicationELB"

cloudwatch = boto3.client("cloudwatch", config=PATIENT)
logs = boto3.client("logs", config=PATIENT)
elb = boto3.client("elbv2", config=PATIENT)


@functools.cache
def load_balancer():
    arn = elb.describe_load_balancers(Names=["front"])["LoadBalancers"][0]["LoadBalancerArn"]
    return arn.split(":loadbalancer/")[1]


def dimensions():
    return [{"Name": "LoadBalancer", "Value": load_balancer()}]


def alarm(name):
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found[0] if found else None


def put(name, **changes):
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": name,
            "Namespace": NAMESPACE,
            "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": dimensions(),
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 3,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            **changes,
        }
    )


class Traffic(Case):
    """What passes a listener is measured, and an alarm on it goes off and clears."""

    def setUp(self):
        self.group = elb.describe_target_groups(Names=["blue"])["TargetGroups"][0]["TargetGroupArn"]
        self.target = Target("blue")
        elb.register_targets(TargetGroupArn=self.group, Targets=[self.target.described])
        self.url = next(
            f"http://127.0.0.1:{listener['port']}/" for listener in snapshot()["listeners"] if listener["name"] == "production"
        )

    def tearDown(self):
        elb.deregister_targets(TargetGroupArn=self.group, Targets=[self.target.described])
        self.target.close()

    def get(self):
        try:
            urllib.request.urlopen(self.url).close()
        except urllib.error.HTTPError as error:
            error.close()

    def until_state(self, name, state, meanwhile=lambda: None):
        limit = time.time() + 120
        while alarm(name)["StateValue"] != state:
            self.assertLess(time.time(), limit, alarm(name))
            meanwhile()
            time.sleep(0.05)
        return alarm(name)

    def test_errors_trip_the_alarm(self):
        put("trips", Threshold=0)
        self.assertEqual(alarm("trips")["StateValue"], "INSUFFICIENT_DATA")
        self.until_state("trips", "OK", self.get)
        self.target.status = 500
        tripped = self.until_state("trips", "ALARM", self.get)
        self.assertIn("was greater than the threshold (0.0)", tripped["StateReason"])
        self.assertGreater(tripped["StateUpdatedTimestamp"], tripped["AlarmConfigurationUpdatedTimestamp"])
        self.assertIn("trips", [a["name"] for a in snapshot()["alarms"] if a["state"] == "ALARM"])
        self.target.status = 200
        self.until_state("trips", "OK", self.get)

    def test_metrics(self):
        for _ in range(20):
            self.get()
        self.target.status = 404
        for _ in range(3):
            self.get()
        span = {
            "StartTime": datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1),
            "EndTime": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10),
        }
        got = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName="TargetResponseTime",
            Dimensions=dimensions(),
            Period=60,
            Statistics=["Average", "SampleCount", "Maximum"],
            ExtendedStatistics=["p95"],
            **span,
        )
        self.assertEqual(got["Label"], "TargetResponseTime")
        self.assertGreaterEqual(sum(point["SampleCount"] for point in got["Datapoints"]), 23)
        for point in got["Datapoints"]:
            self.assertEqual(point["Unit"], "Seconds")
            self.assertTrue(0 < point["Average"] <= point["Maximum"])
            self.assertLessEqual(point["ExtendedStatistics"]["p95"], point["Maximum"])
        within = dimensions() + [{"Name": "TargetGroup", "Value": self.group.split(":")[-1]}]

        def query(name, of):
            metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": of}
            return {"Id": name.lower(), "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}

        results = cloudwatch.get_metric_data(
            MetricDataQueries=[query("RequestCount", within), query("HTTPCode_Target_4XX_Count", dimensions())],
            **span,
        )["MetricDataResults"]
        requests, missed = results
        self.assertEqual((requests["Id"], requests["StatusCode"]), ("requestcount", "Complete"))
        self.assertGreaterEqual(sum(requests["Values"]), 23)
        self.assertEqual(requests["Timestamps"], sorted(requests["Timestamps"], reverse=True))
        self.assertEqual(sum(missed["Values"]), 3)
        listed = cloudwatch.list_metrics(Namespace=NAMESPACE, MetricName="RequestCount")["Metrics"]
        self.assertIn(dimensions(), [metric["Dimensions"] for metric in listed])


class Alarms(Case):
    def test_those_of_the_world(self):
        found = {a["AlarmName"]: a for a in cloudwatch.describe_alarms()["MetricAlarms"]}
        errors = found["errors"]
        self.assertEqual(errors["AlarmArn"], "arn:aws:cloudwatch:eu-central-1:222222222222:alarm:errors")
        self.assertEqual((errors["StateValue"], errors["Threshold"], errors["Statistic"]), ("OK", 5.0, "Sum"))
        self.assertEqual((found["late"]["ExtendedStatistic"], found["late"]["StateValue"]), ("p95", "INSUFFICIENT_DATA"))
        self.assertNotIn("Statistic", found["late"])

    def test_unknown_names_are_silently_missing(self):
        answer = cloudwatch.describe_alarms(
            AlarmNames=["errors", "nobody"], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        self.assertEqual([a["AlarmName"] for a in answer["MetricAlarms"]], ["errors"])
        self.assertEqual(answer["CompositeAlarms"], [])
        answer = cloudwatch.describe_alarms(AlarmNames=["errors"], AlarmTypes=["CompositeAlarm"])
        self.assertEqual(answer["MetricAlarms"], [])

    def test_pages(self):
        for n in range(3):
            put(f"page-{n}")
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix="page-", PaginationConfig={"PageSize": 1}
        )
        self.assertEqual([[a["AlarmName"] for a in page["MetricAlarms"]] for page in pages], [["page-0"], ["page-1"], ["page-2"]])
        cloudwatch.delete_alarms(AlarmNames=[f"page-{n}" for n in range(3)])

    def test_put_set_and_delete(self):
        # Nothing is measured, and so the state is kept from one evaluation to the next.
        put("set", MetricName="Nothing", TreatMissingData="ignore", DatapointsToAlarm=1, AlarmDescription="d")
        cloudwatch.set_alarm_state(AlarmName="set", StateValue="ALARM", StateReason="a test")
        described = alarm("set")
        self.assertEqual((described["StateValue"], described["StateReason"]), ("ALARM", "a test"))
        self.assertEqual((described["TreatMissingData"], described["DatapointsToAlarm"]), ("ignore", 1))
        put("set", MetricName="Nothing", TreatMissingData="ignore", Threshold=7.5)
        described = alarm("set")
        self.assertEqual((described["StateValue"], described["Threshold"]), ("ALARM", 7.5))
        found = cloudwatch.describe_alarms(StateValue="ALARM", AlarmNamePrefix="se")["MetricAlarms"]
        self.assertEqual([a["AlarmName"] for a in found], ["set"])
        cloudwatch.delete_alarms(AlarmNames=["set"])
        self.assertIsNone(alarm("set"))

    def test_what_is_refused(self):
        for code, call in [
            ("ResourceNotFound", lambda: cloudwatch.delete_alarms(AlarmNames=["nobody"])),
            ("ResourceNotFound", lambda: cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="r")),
            ("InvalidParameterValue", lambda: put("wrong", Period=45)),
            ("InvalidParameterValue", lambda: put("wrong", DatapointsToAlarm=2)),
            ("InvalidParameterCombination", lambda: put("wrong", ExtendedStatistic="p95")),
            ("InvalidParameterValue", lambda: cloudwatch.describe_alarms(MaxRecords=101)),
            ("InvalidParameterCombination", lambda: cloudwatch.describe_alarms(AlarmNames=["a"], AlarmNamePrefix="a")),
        ]:
            with self.subTest(code), self.fails(code):
                call()
        self.assertIsNone(alarm("wrong"))

    def test_a_reader_may_not_set(self):
        reader = session(READER).client("cloudwatch", config=ONCE)
        reader.describe_alarms(AlarmNames=["errors"])
        with self.fails("AccessDenied", text="cloudwatch:SetAlarmState on resource: arn:aws:cloudwatch:eu-central-1:222222222222:alarm:errors"):
            reader.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="r")


class Protocols(Case):
    """Clients of several ages speak three protocols, with the same meaning."""

    def test_each(self):
        for protocol in ["json", "smithy-rpc-v2-cbor", "query"]:
            with self.subTest(protocol):
                client = speaking(protocol)
                client.put_metric_alarm(
                    AlarmName=protocol,
                    Namespace=NAMESPACE,
                    MetricName="RequestCount",
                    Dimensions=dimensions(),
                    ExtendedStatistic="p99",
                    Period=60,
                    EvaluationPeriods=2,
                    Threshold=2.5,
                    ComparisonOperator="LessThanThreshold",
                    ActionsEnabled=False,
                )
                described = client.describe_alarms(AlarmNames=[protocol])["MetricAlarms"][0]
                self.assertEqual((described["Threshold"], described["EvaluationPeriods"]), (2.5, 2))
                self.assertIs(described["ActionsEnabled"], False)
                self.assertIsInstance(described["StateUpdatedTimestamp"], datetime.datetime)
                self.assertEqual(described["Dimensions"], dimensions())
                now = datetime.datetime.now(datetime.timezone.utc)
                metric = {"Namespace": NAMESPACE, "MetricName": "RequestCount", "Dimensions": dimensions()}
                result = client.get_metric_data(
                    MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
                    StartTime=now - datetime.timedelta(hours=1),
                    EndTime=now,
                )["MetricDataResults"][0]
                self.assertEqual((result["Label"], result["StatusCode"]), ("RequestCount", "Complete"))
                client.delete_alarms(AlarmNames=[protocol])
                with self.fails("ResourceNotFound", 404):
                    client.delete_alarms(AlarmNames=[protocol])


def speaking(protocol):
    """A client that speaks this one of the protocols that the service's model lists."""
    held = botocore.session.Session()
    loader = held.get_component("data_loader")
    model = loader.load_service_model("cloudwatch", "service-2")
    model["metadata"].update(protocols=[protocol], protocol=protocol)
    client = held.create_client("cloudwatch", config=PATIENT)
    assert client.meta.service_model.resolved_protocol == protocol
    return client


class Logs(Case):
    def write(self, group, stream, *lines, start=1_000):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": start + n, "message": line} for n, line in enumerate(lines)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def test_groups(self):
        logs.create_log_group(logGroupName="/made")
        found = {g["logGroupName"]: g for g in logs.describe_log_groups(logGroupNamePrefix="/")["logGroups"]}
        self.assertEqual(found["/made"]["arn"], "arn:aws:logs:eu-central-1:222222222222:log-group:/made:*")
        self.assertIn("/app", found)
        with self.fails("ResourceAlreadyExistsException", 400, "The specified log group already exists"):
            logs.create_log_group(logGroupName="/made")
        with self.fails("InvalidParameterException", 400):
            logs.create_log_group(logGroupName="no spaces")

    def test_events_of_a_stream(self):
        logs.create_log_group(logGroupName="/stream")
        lines = [f"line {n}" for n in range(10)]
        self.write("/stream", "app/one", *lines)

        def get(**parameters):
            answer = logs.get_log_events(logGroupName="/stream", logStreamName="app/one", **parameters)
            return [e["message"] for e in answer["events"]], answer

        self.assertEqual(get()[0], lines)
        self.assertEqual(get(limit=3)[0], lines[7:])
        messages, answer = get(limit=4, startFromHead=True)
        self.assertEqual(messages, lines[:4])
        messages, answer = get(limit=4, nextToken=answer["nextForwardToken"])
        self.assertEqual(messages, lines[4:8])
        self.assertEqual(get(limit=2, nextToken=answer["nextBackwardToken"])[0], lines[2:4])
        messages, answer = get(limit=4, nextToken=answer["nextForwardToken"])
        self.assertEqual(messages, lines[8:])
        at_the_end = answer["nextForwardToken"]
        messages, answer = get(nextToken=at_the_end)
        self.assertEqual((messages, answer["nextForwardToken"]), ([], at_the_end))
        self.assertEqual(get(startTime=1_002, endTime=1_005)[0], lines[2:5])
        stream = logs.describe_log_streams(logGroupName="/stream", logStreamNamePrefix="app/")["logStreams"][0]
        self.assertEqual((stream["firstEventTimestamp"], stream["lastEventTimestamp"]), (1_000, 1_009))

    def test_filter(self):
        logs.create_log_group(logGroupName="/filter")
        self.write("/filter", "a/1", "start", "error: one", "stop")
        self.write("/filter", "a/2", "start", "error: two", start=500)
        self.write("/filter", "b/1", "error: three")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/filter", logStreamNamePrefix="a/", filterPattern="error", PaginationConfig={"PageSize": 1}
        )
        found = [(e["logStreamName"], e["message"]) for page in pages for e in page["events"]]
        self.assertEqual(found, [("a/2", "error: two"), ("a/1", "error: one")])
        named = logs.filter_log_events(logGroupName="/filter", logStreamNames=["b/1"], filterPattern='"error: three"')
        self.assertEqual(len({e["eventId"] for e in named["events"]}), 1)

    def test_what_is_not_there(self):
        with self.fails("ResourceNotFoundException", 400, "The specified log group does not exist."):
            logs.describe_log_streams(logGroupName="/nobody")
        with self.fails("ResourceNotFoundException", 400, "The specified log stream does not exist."):
            logs.get_log_events(logGroupName="/app", logStreamName="nobody")

    def test_a_policy_has_to_name_the_streams(self):
        logs.create_log_stream(logGroupName="/app", logStreamName="s")
        reader = session(READER).client("logs", config=ONCE)
        reader.filter_log_events(logGroupName="/app")
        with self.fails("AccessDeniedException", text="log-group:/app:log-stream:s"):
            reader.get_log_events(logGroupName="/app", logStreamName="s")


if __name__ == "__main__":
    assert float(os.environ["GREENLIGHT_SPEED"]) > 1
    main()
