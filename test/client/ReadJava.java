// Read every shard of $STREAM_ARN to its end with the SDK for Java, version 2.

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.DescribeStreamResponse;
import software.amazon.awssdk.services.dynamodb.model.GetRecordsResponse;
import software.amazon.awssdk.services.dynamodb.model.Record;
import software.amazon.awssdk.services.dynamodb.model.Shard;
import software.amazon.awssdk.services.dynamodb.model.ShardIteratorType;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;

public class ReadJava {
    public static void main(String[] args) throws Exception {
        String arn = System.getenv("STREAM_ARN");
        try (DynamoDbStreamsClient client = DynamoDbStreamsClient.create();
                PrintWriter out = new PrintWriter(System.getenv("OUT"), StandardCharsets.UTF_8)) {
            if (client.listStreams(r -> r.tableName(System.getenv("TABLE"))).streams().isEmpty()) {
                throw new IllegalStateException("ListStreams lists nothing");
            }
            List<Shard> shards = new ArrayList<>();
            String start = null;
            do {
                String after = start;
                DescribeStreamResponse page = client.describeStream(
                        r -> r.streamArn(arn).limit(3).exclusiveStartShardId(after));
                shards.addAll(page.streamDescription().shards());
                start = page.streamDescription().lastEvaluatedShardId();
            } while (start != null);
            // in the order of shard ids, parents come before their children
            for (Shard shard : shards) {
                String iterator = client.getShardIterator(r -> r.streamArn(arn).shardId(shard.shardId())
                        .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
                while (iterator != null) {
                    String here = iterator;
                    GetRecordsResponse page = client.getRecords(r -> r.shardIterator(here).limit(100));
                    for (Record record : page.records()) {
                        Map<String, AttributeValue> image = record.dynamodb().hasNewImage()
                                ? record.dynamodb().newImage() : record.dynamodb().oldImage();
                        out.println(String.join("\t", shard.shardId(), record.dynamodb().sequenceNumber(),
                                record.eventNameAsString(), image.get("id").n(), image.get("n").n(),
                                image.get("price").n(), image.get("note").s()));
                    }
                    iterator = page.nextShardIterator();
                }
            }
            System.out.println(shards.size() + " shards");
        }
    }
}
