#!/bin/bash
#
# The AWS SDK for Java 2 obeys Retry-After and not x-amz-retry-after, and checks
# the checksum of a stream's answers, which boto3 and the SDKs for JavaScript and
# Go do not.
#
# One would guess that AWS's clients agree on how a server asks for a pause, and
# on which answers carry a checksum that matters.
#
# Java takes Retry-After, in seconds, as the least pause after a server error;
# x-amz-retry-after means nothing to it. With boto3 it is the other way round
# (see boto3-retries.sh). A wrong x-amz-crc32 in an answer of DynamoDB Streams is
# an exception at once, without another try, whereas an answer cut off in the
# middle is asked for four times. The tries after a server error are over in
# about a second.
#
# The Kinesis Client Library and Flink read streams by this SDK. A server that is
# restarting should send both headers, and one that sends a checksum must not
# let anything change the answer after it was computed.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
maven_packages software.amazon.awssdk:dynamodb:2.57.8 \
	software.amazon.awssdk:url-connection-client:2.57.8
cat >"$java_project/Run.java" <<'END'
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.CopyOnWriteArrayList;
import software.amazon.awssdk.auth.credentials.*;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;

public class Run {
	static final List<Long> times = new CopyOnWriteArrayList<>();
	static HttpServer server;
	static int status;
	static String body;
	static Map<String, String> headers;

	static void ask(String what, int status, String body, Map<String, String> headers) {
		Run.status = status;
		Run.body = body;
		Run.headers = headers;
		times.clear();
		String seen = "answer";
		try (DynamoDbStreamsClient client = DynamoDbStreamsClient.builder()
				.endpointOverride(URI.create("http://127.0.0.1:" + server.getAddress().getPort()))
				.region(Region.US_EAST_1).httpClientBuilder(UrlConnectionHttpClient.builder())
				.credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("a", "s"))).build()) {
			client.listStreams();
		} catch (SdkException exception) {
			seen = exception.getClass().getSimpleName();
		}
		long pause = times.size() < 2 ? 0 : times.get(times.size() - 1) - times.get(0);
		System.out.println(what + "\t" + seen + ", " + times.size() + " tries");
		System.out.println(what + ", in all\t" + (pause < 3000 ? "less than 3 s" : "3 s or more"));
	}

	static String error(String name) {
		return "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" + name + "\",\"message\":\"no\"}";
	}

	public static void main(String[] arguments) throws Exception {
		server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
		server.createContext("/", exchange -> {
			exchange.getRequestBody().readAllBytes();
			times.add(System.currentTimeMillis());
			byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
			headers.forEach(exchange.getResponseHeaders()::set);
			exchange.sendResponseHeaders(status, bytes.length);
			exchange.getResponseBody().write(bytes);
			exchange.close();
		});
		server.start();
		ask("server error", 500, error("InternalServerError"), Map.of());
		ask("Retry-After: 1", 500, error("InternalServerError"), Map.of("Retry-After", "1"));
		ask("x-amz-retry-after: 1000", 500, error("InternalServerError"), Map.of("x-amz-retry-after", "1000"));
		ask("right checksum", 200, "{}", Map.of("x-amz-crc32", "2745614147"));
		ask("wrong checksum", 200, "{}", Map.of("x-amz-crc32", "1"));
		ask("cut off", 200, "{\"Streams\":[", Map.of());
		ask("LimitExceededException", 400, error("LimitExceededException"), Map.of());
		server.stop(0);
	}
}
END
seen=$(java -cp "$classpath" "$java_project/Run.java" 2>/dev/null)
expect_lines "$seen" <<'END'
server error	InternalServerErrorException, 4 tries
server error, in all	less than 3 s
Retry-After: 1	InternalServerErrorException, 4 tries
Retry-After: 1, in all	3 s or more
x-amz-retry-after: 1000	InternalServerErrorException, 4 tries
x-amz-retry-after: 1000, in all	less than 3 s
right checksum	answer, 1 tries
wrong checksum	Crc32MismatchException, 1 tries
cut off	SdkClientException, 4 tries
LimitExceededException	LimitExceededException, 1 tries
END
finish
