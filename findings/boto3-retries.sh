#!/bin/bash
#
# The newest boto3 retries a reader's LimitExceededException by default, and
# gives up within a second where older ones held out.
#
# One would guess that the default retry mode is still the legacy one: one try
# for LimitExceededException, and five tries over several seconds for a server
# error, ten over 25 seconds for the table service.
#
# Since botocore 1.44 the default is the standard mode, with four tries, also
# for the table service, and pauses that depend on the error: some seconds in
# all for a limit, but a few tenths of a second in all for a server error. It
# obeys x-amz-retry-after (in milliseconds), as a minimum, and ignores
# Retry-After.
#
# A server that answers 500 while it restarts is survived by old clients and not
# by new ones, unless it says x-amz-retry-after.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
cat >"$scratch/run.py" <<'END'
import http.server
import json
import sys
import threading
import time

import boto3

answers = []
times = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        times.append(time.monotonic())
        status, name, headers = answers[0]
        body = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#" + name, "message": "no"}).encode()
        self.send_response(status)
        for header in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()


def tries(what, status, name, headers={}):
    client = boto3.client("dynamodbstreams", region_name="us-east-1", aws_access_key_id="a",
                          aws_secret_access_key="s", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    answers[:] = [(status, name, headers)]
    times.clear()
    try:
        client.get_records(ShardIterator="iterator")
    except client.exceptions.ClientError:
        pass
    took = times[-1] - times[0]
    print(f"{what}\t{len(times)}")
    print(f"{what}, took\t{'over 2.5 s' if took > 2.5 else 'under 2.5 s'}")


print("mode\t" + boto3.client("dynamodbstreams", region_name="us-east-1").meta.config.retries["mode"])
tries("LimitExceededException", 400, "LimitExceededException")
tries("InternalServerError", 500, "InternalServerError")
if sys.argv[1:] == ["headers"]:
    tries("x-amz-retry-after: 1000", 500, "InternalServerError", {"x-amz-retry-after": "1000"})
    tries("Retry-After: 1", 500, "InternalServerError", {"Retry-After": "1"})
END
python_packages boto3==1.44.8 botocore==1.44.8
seen=$(python3 "$scratch/run.py" headers)
expect_lines "$seen" <<'END'
mode	standard
LimitExceededException	4
InternalServerError	4
InternalServerError, took	under 2.5 s
x-amz-retry-after: 1000	4
x-amz-retry-after: 1000, took	over 2.5 s
Retry-After: 1	4
Retry-After: 1, took	under 2.5 s
END
python_packages boto3==1.43.117 botocore==1.43.117
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
mode	legacy
LimitExceededException	1
InternalServerError	5
END
finish
