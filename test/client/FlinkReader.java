// A Flink job on the stream $STREAM_ARN, with four subtasks in one process, which
// appends what it reads to $OUT. The arguments are a directory for checkpoints and,
// where it goes on from one, that one's path. It runs until it is killed.

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.kinesis.shaded.com.amazonaws.services.dynamodbv2.model.AttributeValue;
import org.apache.flink.kinesis.shaded.com.amazonaws.services.dynamodbv2.model.Record;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.SinkFunction;
import org.apache.flink.streaming.connectors.kinesis.FlinkDynamoDBStreamsConsumer;
import org.apache.flink.streaming.connectors.kinesis.serialization.DynamoDBStreamsSchema;
import org.apache.flink.streaming.connectors.kinesis.serialization.KinesisDeserializationSchema;

public class FlinkReader {
    static class Lines implements KinesisDeserializationSchema<String> {
        private final DynamoDBStreamsSchema schema = new DynamoDBStreamsSchema();

        @Override
        public String deserialize(byte[] value, String key, String sequenceNumber, long arrival, String stream,
                String shard) throws IOException {
            Record record = schema.deserialize(value, key, sequenceNumber, arrival, stream, shard);
            Map<String, AttributeValue> image = record.getDynamodb().getNewImage();
            if (image == null) {
                image = record.getDynamodb().getOldImage();
            }
            return String.join("\t", shard, record.getDynamodb().getSequenceNumber(), record.getEventName(),
                    image.get("id").getN(), image.get("n").getN(), image.get("price").getN(),
                    image.get("note").getS()) + "\n";
        }

        @Override
        public TypeInformation<String> getProducedType() {
            return Types.STRING;
        }
    }

    static class Appender implements SinkFunction<String> {
        @Override
        public void invoke(String line, Context context) throws IOException {
            Files.write(Path.of(System.getenv("OUT")), line.getBytes(StandardCharsets.UTF_8),
                    StandardOpenOption.APPEND);
        }
    }

    public static void main(String[] args) throws Exception {
        Configuration job = new Configuration();
        job.setString("parallelism.default", "4");
        job.setString("execution.checkpointing.interval", "2 s");
        job.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        job.setString("execution.checkpointing.dir", Path.of(args[0]).toUri().toString());
        if (args.length > 1) {
            job.setString("execution.state-recovery.path", Path.of(args[1]).toUri().toString());
        }

        Properties source = new Properties();
        source.setProperty("aws.endpoint", System.getenv("AWS_ENDPOINT_URL"));
        source.setProperty("aws.region", System.getenv("AWS_REGION"));
        source.setProperty("flink.stream.initpos", "TRIM_HORIZON");
        source.setProperty("flink.shard.discovery.intervalmillis", "1000");

        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(job);
        env.addSource(new FlinkDynamoDBStreamsConsumer<String>(List.of(System.getenv("STREAM_ARN")), new Lines(),
                source)).uid("stream").addSink(new Appender()).uid("file");
        env.execute("orders");
    }
}
