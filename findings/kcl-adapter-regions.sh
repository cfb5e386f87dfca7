#!/bin/bash
#
# The DynamoDB Streams adapter of the Kinesis Client Library takes no ARN whose
# region its SDK does not know, and makes the partition anew from the region.
#
# One would guess that the adapter gives the library's requests the ARN that it
# was configured with, as all other clients do, and that it works with servers
# that stand in for DynamoDB and have regions of their own.
#
# The adapter packs the ARN into a name for the library, region$account$table$
# label, and unpacks it again. A region that is not in the SDK's list then is
# "Invalid DynamoDB stream ARN format", as late as when the worker synchronizes
# shards: it tries that again for ever, and reads nothing. The partition is not in
# the name: arn:aws:…:cn-north-1:… comes back as arn:aws-cn:…, an ARN that a
# server which compares it as text does not know.
#
# A server beside AWS must give its streams the region of one that AWS has, in
# the partition aws, if KCL is to read them.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
maven_packages com.amazonaws:dynamodb-streams-kinesis-adapter:2.0.1
cat >"$java_project/Run.java" <<'END'
import com.amazonaws.services.dynamodbv2.streamsadapter.util.KinesisMapperUtil;

public class Run {
	public static void main(String[] regions) {
		for (String region : regions) {
			String arn = "arn:aws:dynamodb:" + region + ":000000000000:table/Orders/stream/2026-11-27T20:18:21.894";
			String seen;
			try {
				String name = KinesisMapperUtil.createKinesisStreamIdentifierFromDynamoDBStreamsArn(arn, false);
				String back = KinesisMapperUtil.createDynamoDBStreamsArnFromKinesisStreamName(name);
				seen = back.equals(arn) ? "the same ARN" : back.replaceFirst(":dynamodb.*", ":...");
			} catch (IllegalArgumentException exception) {
				seen = exception.getMessage().replaceFirst(":.*", "");
			}
			System.out.println(region + "\t" + seen);
		}
	}
}
END
javac -cp "$classpath" -d "$java_project" "$java_project/Run.java"
expect_lines "$(java -cp "$java_project:$classpath" Run us-east-1 ddblocal eu-west-9 cn-north-1 2>/dev/null)" <<'END'
us-east-1	the same ARN
ddblocal	Invalid DynamoDB stream ARN format
eu-west-9	Invalid DynamoDB stream ARN format
cn-north-1	arn:aws-cn:...
END
finish
