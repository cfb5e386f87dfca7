#!/bin/bash
#
# Jackson reads a Lambda event into Java's DynamodbEvent as an event without
# records, or with times of January 1970.
#
# One would guess that AWS's class for the event has the names of the event, so
# that the mapper which frameworks bring along reads it.
#
# The class has records where the event has Records, and Lambda's runtime knows.
# A mapper that ignores unknown members, as those of many frameworks do, gives an
# event whose records are null, without an error. One that ignores case as well
# reads all but the time: seconds are taken for milliseconds. What it writes has
# names in small letters, which nothing else reads as an event. Only
# LambdaEventSerializers, of aws-lambda-java-serialization, reads and writes it as
# the runtime does.
#
# Java that gets events from a change stream elsewhere than in Lambda, or from a
# file in a test, reads them with that class. A test by Jackson may pass because
# it handled nothing.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
maven_packages com.amazonaws:aws-lambda-java-events:3.16.1 com.amazonaws:aws-lambda-java-serialization:1.4.1 \
	com.fasterxml.jackson.core:jackson-databind:2.20.0
cat >"$java_project/Run.java" <<'END'
import com.amazonaws.services.lambda.runtime.events.DynamodbEvent;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;

public class Run {
	interface Reader {
		DynamodbEvent read(String text) throws Exception;
	}

	interface Writer {
		String write(DynamodbEvent event) throws Exception;
	}

	static final String EVENT = "{\"Records\":[{\"eventID\":\"1\",\"eventName\":\"INSERT\",\"eventSource\":\"aws:dynamodb\","
			+ "\"dynamodb\":{\"ApproximateCreationDateTime\":1479499740,\"Keys\":{\"id\":{\"N\":\"1\"}},"
			+ "\"SequenceNumber\":\"111\",\"StreamViewType\":\"KEYS_ONLY\"}}]}";

	static void show(String what, Reader reader, Writer writer) {
		DynamodbEvent event;
		try {
			event = reader.read(EVENT);
			if (event.getRecords() == null) {
				System.out.println(what + "\tno records");
				return;
			}
			var change = event.getRecords().get(0).getDynamodb();
			System.out.println(what + "\t" + change.getKeys().get("id").getN() + " at "
					+ change.getApproximateCreationDateTime().toInstant());
			System.out.println(what + ", written\t" + writer.write(event).substring(0, 10));
		} catch (Exception exception) {
			System.out.println(what + "\t" + exception.getClass().getSimpleName());
		}
	}

	static void show(String what, ObjectMapper mapper) {
		show(what, text -> mapper.readValue(text, DynamodbEvent.class), mapper::writeValueAsString);
	}

	public static void main(String[] arguments) {
		show("Jackson", new JsonMapper());
		show("Jackson, unknown members ignored",
				JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build());
		show("Jackson, case ignored",
				JsonMapper.builder().enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_PROPERTIES).build());
		var runtime = LambdaEventSerializers.serializerFor(DynamodbEvent.class, Run.class.getClassLoader());
		show("LambdaEventSerializers", runtime::fromJson, event -> {
			var bytes = new ByteArrayOutputStream();
			runtime.toJson(event, bytes);
			return bytes.toString();
		});
	}
}
END
seen=$(java -cp "$classpath" "$java_project/Run.java" 2>"$scratch/log" || cat "$scratch/log" >&2)
expect_lines "$seen" <<'END'
Jackson	UnrecognizedPropertyException
Jackson, unknown members ignored	no records
Jackson, case ignored	1 at 1970-01-18T02:58:19.740Z
Jackson, case ignored, written	{"records"
LambdaEventSerializers	1 at 2016-11-18T20:09:00Z
LambdaEventSerializers, written	{"Records"
END
finish
