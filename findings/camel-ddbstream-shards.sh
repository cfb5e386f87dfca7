#!/bin/bash
#
# Camel's consumer for DynamoDB Streams leaves out records wherever a shard has a
# child, and reads others twice.
#
# One would guess that it reads a shard to its end and then the children from
# their beginning: the component knows about parents and children, and it has a
# choice of where to begin, FROM_START or FROM_LATEST.
#
# Of a shard that has ended it reads one page, and moves on to the children; the
# rest of the shard is never read. It looks for new shards only when all that it
# reads have ended. Then it begins as it did first: FROM_START delivers all again,
# and FROM_LATEST leaves out what the children had by then. While any shard is
# open, the children of another that has ended are not read. A record whose route
# fails is not delivered again.
#
# Shards roll over every few hours, at AWS and in a change stream, so that a test
# which takes minutes shows none of it. There is no setting that avoids it: a
# route which needs every record must be fed by something else that reads the
# stream.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
maven_packages org.apache.camel:camel-aws2-ddb:4.14.0 org.apache.camel:camel-main:4.14.0 org.slf4j:slf4j-nop:2.0.17
cat >"$java_project/Run.java" <<'END'
import com.sun.net.httpserver.*;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.Collectors;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;
import software.amazon.awssdk.services.dynamodb.model.Record;

/* A server with a stream whose shards change while they are read. */
public class Run {
	static final String ARN = "arn:aws:dynamodb:us-east-1:111122223333:table/Orders/stream/2026-01-01T00:00:00.000";

	static class Shard {
		final String id;
		final Shard parent;
		final List<Integer> records = new ArrayList<>();
		boolean open;
		int asked;

		Shard(int number, Shard parent, boolean open, Integer... records) {
			this.id = String.format("shardId-%020d-aaaaaaaa", number);
			this.parent = parent;
			this.open = open;
			this.records.addAll(List.of(records));
		}
	}

	static List<Shard> shards;
	static Runnable change; // what happens before GetRecords is answered
	static int empty; // pages without records since the last one with records
	static CountDownLatch quiet;

	static String member(String json, String name) {
		Matcher matcher = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(json);
		return matcher.find() ? matcher.group(1) : null;
	}

	static String sequenceNumber(int number) {
		return String.format("\"%021d\"", number);
	}

	static Shard find(String id) {
		return shards.stream().filter(shard -> shard.id.equals(id)).findFirst().get();
	}

	static String describe(Shard shard) {
		return "{\"ShardId\":\"" + shard.id + "\"" + (shard.parent == null ? "" : ",\"ParentShardId\":\"" + shard.parent.id + "\"")
				+ ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":" + sequenceNumber(shard.records.get(0))
				+ (shard.open ? "" : ",\"EndingSequenceNumber\":" + sequenceNumber(shard.records.get(shard.records.size() - 1))) + "}}";
	}

	static String record(int number) {
		return "{\"eventID\":\"" + number + "\",\"eventName\":\"INSERT\",\"dynamodb\":{\"SequenceNumber\":" + sequenceNumber(number) + "}}";
	}

	static synchronized String answer(String operation, String request) {
		if (operation.equals("ListStreams"))
			return "{\"Streams\":[{\"StreamArn\":\"" + ARN + "\",\"TableName\":\"Orders\"}]}";
		if (operation.equals("DescribeStream"))
			return "{\"StreamDescription\":{\"StreamArn\":\"" + ARN + "\",\"StreamStatus\":\"ENABLED\",\"Shards\":["
					+ shards.stream().map(Run::describe).collect(Collectors.joining(",")) + "]}}";
		if (operation.equals("GetShardIterator")) {
			Shard shard = find(member(request, "ShardId"));
			boolean latest = member(request, "ShardIteratorType").equals("LATEST");
			return "{\"ShardIterator\":\"" + shard.id + "/" + (latest ? shard.records.size() : 0) + "\"}";
		}
		String[] iterator = member(request, "ShardIterator").split("/");
		Shard shard = find(iterator[0]);
		shard.asked++;
		change.run();
		int from = Integer.parseInt(iterator[1]);
		int to = Math.min(from + Integer.parseInt(member(request, "Limit")), shard.records.size());
		empty = from < to ? 0 : empty + 1;
		if (empty > 10)
			quiet.countDown();
		return "{\"Records\":[" + shard.records.subList(from, to).stream().map(Run::record).collect(Collectors.joining(",")) + "]"
				+ (shard.open || to < shard.records.size() ? ",\"NextShardIterator\":\"" + shard.id + "/" + to + "\"" : "") + "}";
	}

	static void read(String what, HttpServer server, String start, String fails, List<Shard> stream, Runnable changes) throws Exception {
		List<String> got = new CopyOnWriteArrayList<>();
		shards = stream;
		change = changes;
		empty = 0;
		quiet = new CountDownLatch(1);
		try (DefaultCamelContext context = new DefaultCamelContext()) {
			context.addRoutes(new RouteBuilder() {
				public void configure() {
					from("aws2-ddbstream:Orders?accessKey=a&secretKey=s&region=us-east-1&overrideEndpoint=true"
							+ "&uriEndpointOverride=http://127.0.0.1:" + server.getAddress().getPort()
							+ "&delay=20&maxResultsPerRequest=2&streamIteratorType=" + start).process(exchange -> {
						String id = exchange.getIn().getBody(Record.class).eventID();
						got.add(id);
						if (id.equals(fails))
							throw new RuntimeException("no");
					});
				}
			});
			context.start();
			if (!quiet.await(1, TimeUnit.MINUTES))
				got.add("and no end");
		}
		System.out.println(what + "\t" + String.join(" ", got));
	}

	public static void main(String[] arguments) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
		server.createContext("/", exchange -> {
			String request = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
			String operation = exchange.getRequestHeaders().getFirst("X-Amz-Target").replaceAll(".*\\.", "");
			byte[] bytes = answer(operation, request).getBytes(StandardCharsets.UTF_8);
			exchange.getResponseHeaders().set("Content-Type", "application/x-amz-json-1.0");
			exchange.sendResponseHeaders(200, bytes.length);
			exchange.getResponseBody().write(bytes);
			exchange.close();
		});
		server.start();

		read("one open shard", server, "FROM_START", null, List.of(new Shard(1, null, true, 1, 2, 3, 4, 5)), () -> {});
		read("the route fails for 2", server, "FROM_START", "2", List.of(new Shard(1, null, true, 1, 2, 3)), () -> {});

		Shard ended = new Shard(1, null, false, 1, 2, 3, 4, 5);
		read("a shard that has ended, and its child", server, "FROM_START", null,
				List.of(ended, new Shard(2, ended, true, 6, 7)), () -> {});

		for (String start : List.of("FROM_START", "FROM_LATEST")) {
			Shard first = new Shard(1, null, true, 1, 2);
			List<Shard> stream = new CopyOnWriteArrayList<>(List.of(first));
			read("a roll-over, " + start, server, start, null, stream, () -> {
				if (first.asked == 2 && first.records.size() == 2)
					first.records.add(3); // then the shard ends, and there is more in its child
				if (first.asked == 4 && first.open) {
					first.open = false;
					stream.add(new Shard(2, first, true, 4));
				}
				if (stream.size() == 2 && stream.get(1).asked == 2 && stream.get(1).records.size() == 1)
					stream.get(1).records.add(5);
			});
		}

		Shard one = new Shard(1, null, true, 1);
		List<Shard> stream = new CopyOnWriteArrayList<>(List.of(one, new Shard(2, null, true, 2)));
		read("one of two shards ends", server, "FROM_START", null, stream, () -> {
			if (one.asked == 2 && one.open) {
				one.open = false;
				stream.add(new Shard(3, one, true, 3));
			}
		});
		server.stop(0);
		System.exit(0);
	}
}
END
seen=$(java -cp "$classpath" "$java_project/Run.java" 2>"$scratch/log" || cat "$scratch/log" >&2)
expect_lines "$seen" <<'END'
one open shard	1 2 3 4 5
the route fails for 2	1 2 3
a shard that has ended, and its child	1 2 6 7
a roll-over, FROM_START	1 2 3 1 2 4 5
a roll-over, FROM_LATEST	3 5
one of two shards ends	1 2
END
finish
