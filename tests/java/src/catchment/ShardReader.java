package catchment;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.retrieval.DataFetcherResult;
import software.amazon.kinesis.retrieval.KinesisDataFetcherProviderConfig;
import software.amazon.kinesis.retrieval.RecordsRetrieved;
import software.amazon.kinesis.retrieval.fanout.FanOutRecordsPublisher;
import software.amazon.kinesis.retrieval.kpl.ExtendedSequenceNumber;
import software.amazon.kinesis.retrieval.polling.KinesisDataFetcher;

/** Reads a shard from its first record to its end. */
interface ShardReader {
    /** Who polls gives the server so much time when nothing was there. */
    long PAUSE_MS = 10;

    /** Gives the key and the data of each record to {@code sink}; returns the children that the end names. */
    List<ChildShard> readToEnd(String shard, BiConsumer<String, String> sink) throws Exception;

    /** GetRecords, page by page. */
    record Polling(Kinesis kinesis, String stream) implements ShardReader {
        @Override
        public List<ChildShard> readToEnd(String shard, BiConsumer<String, String> sink) throws Exception {
            String iterator = kinesis.iterator(Kinesis.oldest(stream, shard).build());
            while (true) {
                String at = iterator;
                GetRecordsResponse page = kinesis.client.getRecords(r -> r.shardIterator(at).limit(100)).join();
                page.records().forEach(record -> sink.accept(record.partitionKey(), record.data().asUtf8String()));
                iterator = page.nextShardIterator();
                Check.equal(page.hasChildShards(), iterator == null, "whether a page names children");
                if (iterator == null) {
                    return page.childShards();
                }
                if (page.records().isEmpty()) {
                    Thread.sleep(PAUSE_MS);
                }
            }
        }
    }

    /** SubscribeToShard; a subscription that ends before its shard is followed by another. */
    record FanOut(Kinesis kinesis, String consumer) implements ShardReader {
        @Override
        public List<ChildShard> readToEnd(String shard, BiConsumer<String, String> sink) {
            var last = new AtomicReference<SubscribeToShardEvent>();
            do {
                SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                        .subscriber((SubscribeToShardEventStream item) -> {
                            SubscribeToShardEvent event = (SubscribeToShardEvent) item;
                            event.records().forEach(r -> sink.accept(r.partitionKey(), r.data().asUtf8String()));
                            last.set(event);
                        })
                        .build();
                StartingPosition start = last.get() == null
                        ? StartingPosition.builder().type(ShardIteratorType.TRIM_HORIZON).build()
                        : StartingPosition.builder()
                                .type(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                                .sequenceNumber(last.get().continuationSequenceNumber())
                                .build();
                kinesis.client
                        .subscribeToShard(r -> r.consumerARN(consumer).shardId(shard).startingPosition(start), handler)
                        .join();
                boolean isAtEnd = last.get().continuationSequenceNumber() == null;
                Check.equal(last.get().hasChildShards(), isAtEnd, "whether an event names children");
            } while (last.get().continuationSequenceNumber() != null);
            return last.get().childShards();
        }
    }

    /** The KCL's own reader of pages, which refuses a page without an iterator and without children. */
    record KclPolling(Kinesis kinesis, String stream) implements ShardReader {
        @Override
        public List<ChildShard> readToEnd(String shard, BiConsumer<String, String> sink) throws Exception {
            var config = new KinesisDataFetcherProviderConfig(
                    StreamIdentifier.singleStreamInstance(stream), shard, new NullMetricsFactory(), 100, Duration.ofSeconds(30));
            var fetcher = new KinesisDataFetcher(kinesis.client, config);
            fetcher.initialize(ExtendedSequenceNumber.TRIM_HORIZON, oldest());
            while (true) {
                DataFetcherResult result = fetcher.getRecords();
                var page = result.acceptAdapter();
                page.records().forEach(record -> sink.accept(record.partitionKey(), text(record.data())));
                if (result.isShardEnd()) {
                    return page.childShards();
                }
                if (page.records().isEmpty()) {
                    Thread.sleep(PAUSE_MS);
                }
            }
        }
    }

    /** The KCL's own subscriber, which refuses an event without a continuation and without children. */
    record KclFanOut(Kinesis kinesis, String consumer) implements ShardReader {
        @Override
        public List<ChildShard> readToEnd(String shard, BiConsumer<String, String> sink) {
            var publisher = new FanOutRecordsPublisher(kinesis.client, shard, consumer, (StreamIdentifier) null);
            publisher.start(ExtendedSequenceNumber.TRIM_HORIZON, oldest());
            var end = new CompletableFuture<List<ChildShard>>();
            publisher.subscribe(new Subscriber<>() {
                private Subscription subscription;

                @Override
                public void onSubscribe(Subscription subscription) {
                    this.subscription = subscription;
                    subscription.request(1);
                }

                @Override
                public void onNext(RecordsRetrieved batch) {
                    var input = batch.processRecordsInput();
                    input.records().forEach(r -> sink.accept(r.partitionKey(), text(r.data())));
                    // The publisher hands out the next batch once this one is acknowledged.
                    publisher.notify(batch::batchUniqueIdentifier);
                    if (input.isAtShardEnd()) {
                        end.complete(input.childShards());
                    } else {
                        subscription.request(1);
                    }
                }

                @Override
                public void onError(Throwable error) {
                    end.completeExceptionally(error);
                }

                @Override
                public void onComplete() {
                    end.completeExceptionally(new AssertionError("the publisher ended before the shard did"));
                }
            });
            return end.join();
        }
    }

    private static String text(ByteBuffer data) {
        return StandardCharsets.UTF_8.decode(data.duplicate()).toString();
    }

    private static InitialPositionInStreamExtended oldest() {
        return InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    }
}
