"""The faults of the transport, as a client without retries and one with them meet them."""

import boto3
from botocore.exceptions import ClientError, ConnectionClosedError

from world import ONCE, Case, main, snapshot

FAULT = snapshot()["faults"][0]


def met(count=12):
    """What a client that doesn't retry meets in so many calls: None, or the error."""
    client = boto3.client("sts", config=ONCE)
    errors = []
    for _ in range(count):
        try:
            client.get_caller_identity()
            errors.append(None)
        except (ClientError, ConnectionClosedError) as error:
            errors.append(error)
    return errors


class Faults(Case):
    def test_every_fifth_call_and_the_first_one(self):
        errors = met()
        self.assertEqual([n for n, error in enumerate(errors) if error], [0, 5, 10])
        for error in filter(None, errors):
            if FAULT == "connection-resets":
                # A connection that is merely closed reads otherwise.
                self.assertIn("Connection reset by peer", str(error.kwargs["error"]))
                continue
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            expected = {
                "throttling": [("Throttling", 400)],
                "server-errors": [("InternalFailure", 500), ("ServiceUnavailable", 503)],
            }
            self.assertIn((code, status), expected[FAULT])
        journal = [call["error"] for call in snapshot()["api_calls"] if call["operation"] == "GetCallerIdentity"]
        self.assertEqual([n for n, error in enumerate(journal) if error], [0, 5, 10])
        retrying = boto3.client("sts")
        for _ in range(12):
            retrying.get_caller_identity()


if __name__ == "__main__":
    main()
