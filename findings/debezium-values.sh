#!/bin/bash
#
# Debezium's snapshot writes some dates differently from its stream, and both
# change values that have no place in their types, without an error.
#
# One would guess that a row reads the same in the snapshot and in the stream, and
# that a value which cannot be written stops the connector, or is a text.
#
# 44 BC is the year 44 in the snapshot, and right in the stream. The date infinity
# is a day some millions of years ago, and another one in each of them. An
# infinite interval is 0. NaN and an infinite numeric are null. Of an array of two
# dimensions, text[] becomes names of Java objects, and int[] nulls. An infinite
# timestamptz is kept as a text.
#
# Who compares a table that was copied by Debezium with a change stream finds
# differences in such rows only, and which of the two is right depends on
# whether a row came by snapshot. A change stream had better write these as
# strings, and the dimensions as nested lists.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
maven_packages io.debezium:debezium-embedded:3.6.1.Final io.debezium:debezium-connector-postgres:3.6.1.Final
cat >"$java_project/Run.java" <<'END'
import com.fasterxml.jackson.databind.*;
import io.debezium.engine.*;
import io.debezium.engine.format.Json;
import java.util.*;
import java.util.concurrent.*;

public class Run {
	static final ObjectMapper mapper = new ObjectMapper();
	static final CountDownLatch done = new CountDownLatch(1);

	static void see(String mode, ChangeEvent<String, String> event) {
		try {
			JsonNode row = mapper.readTree(event.value()).path("after");
			if (row.path("what").asText().equals("end")) {
				done.countDown();
				return;
			}
			String seen = "null";
			for (Iterator<Map.Entry<String, JsonNode>> fields = row.fields(); fields.hasNext();) {
				Map.Entry<String, JsonNode> field = fields.next();
				if (!field.getKey().equals("what") && !field.getValue().isNull())
					seen = field.getValue().toString().replaceAll("@[0-9a-f]+", "@number");
			}
			System.out.println(mode + ", " + row.path("what").asText() + "\t" + seen);
		} catch (Exception exception) {
			throw new RuntimeException(exception);
		}
	}

	public static void main(String[] arguments) throws Exception {
		String mode = arguments[0];
		Properties properties = new Properties();
		Map.of("name", "finding", "connector.class", "io.debezium.connector.postgresql.PostgresConnector",
				"offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
				"topic.prefix", "finding", "plugin.name", "pgoutput", "slot.name", mode,
				"snapshot.mode", mode.equals("stream") ? "no_data" : "initial_only")
				.forEach(properties::setProperty);
		Map.of("database.hostname", System.getenv("PGHOST"), "database.port", System.getenv("PGPORT"),
				"database.user", "postgres", "database.password", "none", "database.dbname", "postgres",
				"publication.name", "p", "table.include.list", "public.t",
				"value.converter.schemas.enable", "false").forEach(properties::setProperty);
		var engine = DebeziumEngine.create(Json.class).using(properties).notifying(event -> see(mode, event)).build();
		var executor = Executors.newSingleThreadExecutor();
		executor.execute(engine);
		boolean ended = done.await(2, TimeUnit.MINUTES);
		engine.close();
		executor.shutdown();
		System.exit(ended ? 0 : 1);
	}
}
END
sql <<'END' >/dev/null
create table t (what text primary key, d date, ts timestamptz, iv interval, n numeric, a text[], i int[]);
create publication p for table t;
select pg_create_logical_replication_slot('stream', 'pgoutput');
insert into t (what, d) values ('date', '2026-01-01'), ('44 BC', '0044-03-15 BC'), ('infinity', 'infinity');
insert into t (what, ts) values ('timestamptz infinity', 'infinity');
insert into t (what, iv) values ('interval', '1 day'), ('interval infinity', 'infinity');
insert into t (what, n) values ('numeric', 1.5), ('NaN', 'NaN'), ('numeric infinity', 'infinity');
insert into t (what, a) values ('text[]', '{a,b}'), ('text[][]', '{{a,b},{c,d}}');
insert into t (what, i) values ('int[]', '{1,2}'), ('int[][]', '{{1,2},{3,4}}');
insert into t (what) values ('end');
END
seen=$(for mode in stream snapshot; do java -cp "$classpath" "$java_project/Run.java" "$mode" 2>"$scratch/$mode.log" ||
	cat "$scratch/$mode.log" >&2; done)
expect_lines "$seen" <<'END'
stream, date	20454
snapshot, date	20454
stream, 44 BC	-735160
snapshot, 44 BC	-703383
stream, infinity	-2147472692
snapshot, infinity	-622191234
stream, timestamptz infinity	"infinity"
snapshot, timestamptz infinity	"infinity"
stream, interval	86400000000
snapshot, interval	86400000000
stream, interval infinity	0
snapshot, interval infinity	0
stream, numeric	{"scale":1,"value":"Dw=="}
snapshot, numeric	{"scale":1,"value":"Dw=="}
stream, NaN	null
snapshot, NaN	null
stream, numeric infinity	null
snapshot, numeric infinity	null
stream, text[]	["a","b"]
snapshot, text[]	["a","b"]
stream, text[][]	["[Ljava.lang.String;@number","[Ljava.lang.String;@number"]
snapshot, text[][]	["[Ljava.lang.String;@number","[Ljava.lang.String;@number"]
stream, int[]	[1,2]
snapshot, int[]	[1,2]
stream, int[][]	[null,null]
snapshot, int[][]	[null,null]
END
finish
