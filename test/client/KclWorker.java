// A worker of the Kinesis Client Library on the stream $STREAM_ARN, by the DynamoDB
// Streams Kinesis adapter. The arguments are the worker's name and the URL of a
// DynamoDB for its lease table. It runs until it is killed.

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

import com.amazonaws.services.dynamodbv2.streamsadapter.AmazonDynamoDBStreamsAdapterClient;
import com.amazonaws.services.dynamodbv2.streamsadapter.StreamsSchedulerFactory;
import com.amazonaws.services.dynamodbv2.streamsadapter.adapter.DynamoDBStreamsClientRecord;
import com.amazonaws.services.dynamodbv2.streamsadapter.model.DynamoDBStreamsProcessRecordsInput;
import com.amazonaws.services.dynamodbv2.streamsadapter.polling.DynamoDBStreamsPollingConfig;
import com.amazonaws.services.dynamodbv2.streamsadapter.processor.DynamoDBStreamsShardRecordProcessor;

import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.Record;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;

public class KclWorker {
    static class Reader implements DynamoDBStreamsShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
        }

        @Override
        public void processRecords(DynamoDBStreamsProcessRecordsInput input) {
            StringBuilder lines = new StringBuilder();
            for (DynamoDBStreamsClientRecord found : input.records()) {
                Record record = found.getRecord();
                Map<String, AttributeValue> image = record.dynamodb().hasNewImage()
                        ? record.dynamodb().newImage() : record.dynamodb().oldImage();
                lines.append(String.join("\t", shard, record.dynamodb().sequenceNumber(),
                        record.eventNameAsString(), image.get("id").n(), image.get("n").n(),
                        image.get("price").n(), image.get("note").s())).append('\n');
            }
            try {
                // first the effect, in one write, then the checkpoint
                Files.write(Path.of(System.getenv("OUT")), lines.toString().getBytes(StandardCharsets.UTF_8),
                        StandardOpenOption.APPEND);
                input.checkpointer().checkpoint();
            } catch (ShutdownException e) {
                System.err.println(shard + ": the lease is lost");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            try {
                input.checkpointer().checkpoint();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
        }
    }

    public static void main(String[] args) {
        String arn = System.getenv("STREAM_ARN");
        Region region = Region.of(System.getenv("AWS_REGION"));
        DynamoDbAsyncClient leases = DynamoDbAsyncClient.builder().region(region)
                .endpointOverride(URI.create(args[1])).build();
        CloudWatchAsyncClient cloudWatch = CloudWatchAsyncClient.builder().region(region).build();
        AmazonDynamoDBStreamsAdapterClient streams = new AmazonDynamoDBStreamsAdapterClient(
                DynamoDbStreamsClient.builder().region(region).build(), region);

        ConfigsBuilder configs = new ConfigsBuilder(StreamsSchedulerFactory.createSingleStreamTracker(arn,
                InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                "orders", streams, leases, cloudWatch, args[0], Reader::new);
        DynamoDBStreamsPollingConfig polling = new DynamoDBStreamsPollingConfig(arn, streams);
        polling.idleTimeBetweenReadsInMillis(1000);
        StreamsSchedulerFactory.createScheduler(configs.checkpointConfig(), configs.coordinatorConfig()
                        .parentShardPollIntervalMillis(3000),
                configs.leaseManagementConfig().failoverTimeMillis(15000),
                configs.lifecycleConfig(), configs.metricsConfig().metricsFactory(new NullMetricsFactory()),
                configs.processorConfig(), configs.retrievalConfig().retrievalSpecificConfig(polling), streams).run();
    }
}
