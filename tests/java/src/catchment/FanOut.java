package catchment;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** Enhanced fan-out: what was there and what comes meanwhile, and going on where another subscription stood. */
final class FanOut {
    private FanOut() {}

    static void run(Kinesis kinesis, String stream) throws Exception {
        kinesis.create(stream, 1);
        kinesis.putNumbers(stream, 0, 10);
        StartingPosition oldest = StartingPosition.builder().type(ShardIteratorType.TRIM_HORIZON).build();
        Subscription first = new Subscription(kinesis, kinesis.register(stream, "first"), oldest);
        Check.eventually("what was there comes", () -> first.data().equals(numbers(0, 10)));
        for (int n = 10; n < 20; n++) {
            kinesis.putNumbers(stream, n, n + 1);
        }
        Check.eventually("what is put meanwhile comes", () -> first.data().equals(numbers(0, 20)));
        Check.that(first.hasBegun, "the response came before the events");
        for (SubscribeToShardEvent event : first.events) {
            Check.that(event.millisBehindLatest() != null, "every event says how far behind it is");
            Check.that(event.continuationSequenceNumber() != null, "every event of an open shard says where to go on");
            Check.that(event.childShards().isEmpty(), "an open shard has no children");
        }
        SubscribeToShardEvent last = first.events.get(first.events.size() - 1);
        Check.equal(last.millisBehindLatest(), 0L, "how far behind the last event is");
        List<Record> polled = kinesis.readToTip(kinesis.iterator(Kinesis.oldest(stream, Kinesis.FIRST_SHARD).build()));
        Check.equal(first.records(), polled, "what is pushed, and what is polled,");

        // The second goes on where the first stands, and gets events far larger than a window of HTTP/2.
        StartingPosition next = StartingPosition.builder()
                .type(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                .sequenceNumber(last.continuationSequenceNumber())
                .build();
        List<SdkBytes> large = IntStream.range(0, 8)
                .mapToObj(n -> SdkBytes.fromByteArray(("" + n).repeat(700_000).getBytes()))
                .toList();
        List<PutRecordsRequestEntry> entries = large.stream().map(data -> Kinesis.entry("large", data)).toList();
        kinesis.client.putRecords(request -> request.streamName(stream).records(entries)).join();
        Subscription second = new Subscription(kinesis, kinesis.register(stream, "second"), next);
        Check.eventually("the large records come", () -> second.records().size() == large.size());
        Check.that(second.records().stream().map(Record::data).toList().equals(large), "large records came back changed");
        Check.that(!first.done.isDone() && !second.done.isDone(), "both subscriptions last");
        Main.say("events", first.events.size() + second.events.size());
    }

    private static List<SdkBytes> numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(Kinesis::text).toList();
    }

    /** A subscription to the first shard, with what it has received. */
    static final class Subscription {
        final List<SubscribeToShardEvent> events = new CopyOnWriteArrayList<>();
        final CompletableFuture<Void> done;
        volatile boolean hasBegun;

        Subscription(Kinesis kinesis, String consumer, StartingPosition start) {
            SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                    .onResponse(response -> hasBegun = events.isEmpty())
                    .subscriber((SubscribeToShardEventStream event) -> events.add((SubscribeToShardEvent) event))
                    .build();
            done = kinesis.client.subscribeToShard(
                    request -> request.consumerARN(consumer).shardId(Kinesis.FIRST_SHARD).startingPosition(start), handler);
        }

        List<Record> records() {
            return events.stream().flatMap(event -> event.records().stream()).toList();
        }

        List<SdkBytes> data() {
            Check.that(!done.isCompletedExceptionally(), "the subscription failed: " + done);
            return records().stream().map(Record::data).toList();
        }
    }
}
