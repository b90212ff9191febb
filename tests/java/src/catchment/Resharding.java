package catchment;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;

/**
 * A consumer follows a split and a merge under a running producer, in the order that the KCL keeps: a child begins when
 * all its parents have ended. It learns of children only from the ends of their parents.
 */
final class Resharding {
    private static final int KEYS = 64;
    /** So many batches are acknowledged before, between and after the changes. */
    private static final int BATCHES_BETWEEN = 30;

    private static final String TOP_OF_FIRST_QUARTER = "85070591730234615865843651857942052864";

    private final Kinesis kinesis;
    private final String stream;
    private final ShardReader reader;
    private final AtomicInteger batches = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile boolean isDone;

    private final Set<String> begun = new HashSet<>();
    private final Set<String> ended = new HashSet<>();
    private final Map<String, List<String>> found = new ConcurrentHashMap<>();
    private final Map<String, Integer> countByShard = new ConcurrentHashMap<>();
    private final AtomicInteger count = new AtomicInteger();

    private Resharding(Kinesis kinesis, String stream, ShardReader reader) {
        this.kinesis = kinesis;
        this.stream = stream;
        this.reader = reader;
    }

    static void run(Kinesis kinesis, String stream, String how) throws Exception {
        kinesis.create(stream, 2);
        ShardReader reader =
                switch (how) {
                    case "polling" -> new ShardReader.Polling(kinesis, stream);
                    case "fan-out" -> new ShardReader.FanOut(kinesis, kinesis.register(stream, "consumer"));
                    case "kcl-polling" -> new ShardReader.KclPolling(kinesis, stream);
                    case "kcl-fan-out" -> new ShardReader.KclFanOut(kinesis, kinesis.register(stream, "consumer"));
                    default -> throw new IllegalArgumentException(how);
                };
        new Resharding(kinesis, stream, reader).run();
    }

    private void run() throws Exception {
        Thread producer = start(this::produce);
        synchronized (this) {
            begin(shard(0));
            begin(shard(1));
        }
        waitForBatches();
        kinesis.client
                .splitShard(r -> r.streamName(stream).shardToSplit(shard(0)).newStartingHashKey(TOP_OF_FIRST_QUARTER))
                .join();
        kinesis.waitUntilActive(stream);
        waitForBatches();
        kinesis.client
                .mergeShards(r -> r.streamName(stream).shardToMerge(shard(3)).adjacentShardToMerge(shard(1)))
                .join();
        kinesis.waitUntilActive(stream);
        waitForBatches();
        isDone = true;
        producer.join();
        checkFailure();
        Check.eventually("every record is read", () -> {
            checkFailure();
            return count.get() >= batches.get() * KEYS;
        });
        List<String> sent = IntStream.range(0, batches.get()).mapToObj(String::valueOf).toList();
        for (int key = 0; key < KEYS; key++) {
            Check.equal(found.get("key-" + key), sent, "what came of key-" + key);
        }
        synchronized (this) {
            Check.equal(begun, Set.of(shard(0), shard(1), shard(2), shard(3), shard(4)), "the shards that were begun");
            Check.equal(ended, Set.of(shard(0), shard(1), shard(3)), "the shards that were read to the end");
        }
        Check.equal(countByShard.keySet(), begun, "the shards with records");
        Main.say("records", count);
    }

    /** Sends one record for each key at a time, numbered, until the changes are over. */
    private void produce() {
        while (!isDone) {
            String number = String.valueOf(batches.get());
            List<PutRecordsRequestEntry> entries = IntStream.range(0, KEYS)
                    .mapToObj(key -> Kinesis.entry("key-" + key, Kinesis.text(number)))
                    .toList();
            var answer = kinesis.client.putRecords(r -> r.streamName(stream).records(entries)).join();
            Check.equal(answer.failedRecordCount(), 0, "the count of failed records");
            batches.incrementAndGet();
        }
    }

    private void waitForBatches() throws Exception {
        int enough = batches.get() + BATCHES_BETWEEN;
        Check.eventually("the producer goes on", () -> {
            checkFailure();
            return batches.get() >= enough;
        });
    }

    private synchronized void begin(String shard) {
        begun.add(shard);
        start(() -> {
            List<ChildShard> children = reader.readToEnd(shard, (key, data) -> {
                found.computeIfAbsent(key, any -> new ArrayList<>()).add(data);
                countByShard.merge(shard, 1, Integer::sum);
                count.incrementAndGet();
            });
            end(shard, children);
        });
    }

    private synchronized void end(String shard, List<ChildShard> children) {
        Check.that(!children.isEmpty(), "the end of " + shard + " names no children");
        ended.add(shard);
        for (ChildShard child : children) {
            Check.that(child.parentShards().contains(shard), child + " does not name its parent " + shard);
            if (ended.containsAll(child.parentShards()) && !begun.contains(child.shardId())) {
                begin(child.shardId());
            }
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private Thread start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Throwable error) {
                failure.compareAndSet(null, error);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private void checkFailure() {
        if (failure.get() != null) {
            throw new AssertionError("the producer or a reader failed", failure.get());
        }
    }

    private static String shard(int number) {
        return "shardId-%012d".formatted(number);
    }
}
