#!/bin/bash
#
# One refusal with a wrong Date shifts the clock of all clients of the AWS SDK
# for Java 2 in the process.
#
# One would guess that a client which is told that its signature's time is off
# corrects the time for this service, or this host.
#
# The correction is kept once for the whole process. After one server answered
# InvalidSignatureException (400) with a Date that is an hour ahead, clients made
# later, for other hosts, sign their requests an hour ahead too, until some answer
# sets it right. A Date that is wrong in a good answer does nothing, unlike in
# the SDK for JavaScript.
#
# A process with the Kinesis Client Library reads a stream from one server and
# keeps its leases on another. A gateway to a stream whose clock is wrong, or
# which passes on a wrong Date, makes the lease table refuse this process.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
maven_packages software.amazon.awssdk:dynamodb:2.57.8 \
	software.amazon.awssdk:url-connection-client:2.57.8
cat >"$java_project/Run.java" <<'END'
import java.net.URI;
import software.amazon.awssdk.auth.credentials.*;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;

public class Run {
	public static void main(String[] ports) {
		var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("a", "s"));
		for (String address : new String[] {"right " + ports[0], "good " + ports[1], "right " + ports[0],
				"refuse " + ports[1], "right " + ports[0]}) {
			String[] part = address.split(" ");
			URI endpoint = URI.create("http://127.0.0.1:" + part[1] + "/" + part[0]);
			try (DynamoDbStreamsClient streams = DynamoDbStreamsClient.builder().endpointOverride(endpoint)
					.region(Region.US_EAST_1).credentialsProvider(credentials)
					.httpClientBuilder(UrlConnectionHttpClient.builder()).build();
				DynamoDbClient tables = DynamoDbClient.builder().endpointOverride(endpoint)
					.region(Region.US_EAST_1).credentialsProvider(credentials)
					.httpClientBuilder(UrlConnectionHttpClient.builder()).build()) {
				if (part[0].equals("right"))
					tables.listTables();
				else
					streams.listStreams();
			} catch (SdkException exception) {
				// the server has written down what it got
			}
		}
	}
}
END
cat >"$scratch/server.py" <<'END'
import datetime
import email.utils
import http.server
import json
import subprocess
import sys
import threading

got = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ahead = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        now = datetime.datetime.now(datetime.timezone.utc)
        signed = datetime.datetime.strptime(self.headers["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        what = self.path.strip("/")
        got.append(f"{what} {'an hour ahead' if (signed - now).total_seconds() > 3000 else 'now'}")
        refuse = what == "refuse"
        error = {"__type": "com.amazonaws.dynamodb.v20120810#InvalidSignatureException", "message": "no"}
        body = json.dumps(error if refuse else {}).encode()
        self.send_response_only(400 if refuse else 200)
        self.send_header("Date", email.utils.format_datetime(now + datetime.timedelta(seconds=self.ahead), usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Ahead(Handler):
    ahead = 3600


servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (Handler, Ahead)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(["java", "-cp", *sys.argv[1:], *(str(server.server_port) for server in servers)],
               stderr=subprocess.DEVNULL, check=True)
print("signed\t" + ", ".join(got))
END
seen=$(python3 "$scratch/server.py" "$classpath" "$java_project/Run.java")
expect_lines "$seen" <<'END'
signed	right now, good now, right now, refuse now, refuse an hour ahead, right an hour ahead
END
finish
