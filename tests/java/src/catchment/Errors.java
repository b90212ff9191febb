package catchment;

import java.util.concurrent.CompletableFuture;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ExpiredIteratorException;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.LimitExceededException;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.ValidationException;

/** Every error arrives as the class that the SDK has for it, with the service's text. */
final class Errors {
    private Errors() {}

    /** The faults of PutRecord and GetRecords were set by who runs this, for one call each. */
    static void run(Kinesis kinesis, String stream) throws Exception {
        KinesisAsyncClient client = kinesis.client;
        kinesis.create(stream, 1);
        says(
                Check.fails(ResourceNotFoundException.class, client.describeStreamSummary(r -> r.streamName("nobody"))),
                "Stream nobody under account 000000000000 not found.");
        says(
                Check.fails(ResourceInUseException.class, client.createStream(r -> r.streamName(stream).shardCount(1))),
                "Stream " + stream + " under account 000000000000 already exists.");
        Check.fails(InvalidArgumentException.class, client.getRecords(r -> r.shardIterator("nothing of the kind")));
        Check.fails(
                LimitExceededException.class,
                client.updateShardCount(
                        r -> r.streamName(stream).targetShardCount(9).scalingType(ScalingType.UNIFORM_SCALING)));
        Check.fails(
                ValidationException.class,
                client.putRecord(r -> r.streamName(stream).partitionKey("k".repeat(257)).data(Kinesis.text("x"))));
        throttled(kinesis, stream);
        subscriptions(kinesis, stream);
    }

    private static void throttled(Kinesis kinesis, String stream) {
        KinesisAsyncClient client = kinesis.client;
        var throttled = Check.fails(ProvisionedThroughputExceededException.class, put(client, stream));
        says(throttled, "Slow down.");
        Check.that(throttled.isThrottlingException(), "the SDK knows that the call was throttled");
        put(client, stream).join();
        String iterator = kinesis.iterator(Kinesis.oldest(stream, Kinesis.FIRST_SHARD).build());
        says(Check.fails(ExpiredIteratorException.class, client.getRecords(r -> r.shardIterator(iterator))), "Too old.");
        GetRecordsResponse page = client.getRecords(r -> r.shardIterator(iterator)).join();
        Check.equal(page.records().size(), 1, "the count of records: what was throttled was not written, and");
    }

    private static void subscriptions(Kinesis kinesis, String stream) throws Exception {
        String consumer = kinesis.register(stream, "fan-out");
        StartingPosition latest = StartingPosition.builder().type(ShardIteratorType.LATEST).build();
        var none = new FanOut.Subscription(kinesis, consumer.replace("fan-out", "nobody"), latest);
        Check.fails(ResourceNotFoundException.class, none.done);
        var first = new FanOut.Subscription(kinesis, consumer, latest);
        Check.eventually("the subscription begins", () -> first.hasBegun);
        var second = new FanOut.Subscription(kinesis, consumer, latest);
        Check.that(
                Check.fails(ResourceInUseException.class, second.done)
                        .awsErrorDetails()
                        .errorMessage()
                        .contains("Another active subscription exists for this consumer"),
                "the error says that there is another subscription");
        // The last comes within the stream of events.
        kinesis.client.deregisterStreamConsumer(r -> r.consumerARN(consumer)).join();
        Check.that(
                Check.fails(ResourceNotFoundException.class, first.done).awsErrorDetails().errorMessage().contains("fan-out"),
                "the error names the consumer");
    }

    /** A fault hits the first two calls of PutRecord; the SDK's own retries get over it. */
    static void retries(Kinesis kinesis, String stream) throws Exception {
        kinesis.create(stream, 1);
        try (KinesisAsyncClient retrying = kinesis.clientWith(DefaultRetryStrategy.standardStrategyBuilder().build())) {
            put(retrying, stream).join();
        }
        int found = kinesis.readToTip(kinesis.iterator(Kinesis.oldest(stream, Kinesis.FIRST_SHARD).build())).size();
        Check.equal(found, 1, "the count of records");
    }

    private static CompletableFuture<?> put(KinesisAsyncClient client, String stream) {
        return client.putRecord(r -> r.streamName(stream).partitionKey("k").data(Kinesis.text("x")));
    }

    private static void says(KinesisException error, String message) {
        String code = error.getClass().getSimpleName();
        Check.equal(error.awsErrorDetails().errorCode(), code, "the code");
        Check.equal(error.awsErrorDetails().errorMessage(), message, "the message");
        Check.equal(error.statusCode(), 400, "the status");
        Check.that(error.requestId() != null, "the error carries the id of its request");
    }
}
