package catchment;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.leases.HierarchicalShardSyncer;
import software.amazon.kinesis.leases.KinesisShardDetector;
import software.amazon.kinesis.leases.Lease;
import software.amazon.kinesis.leases.LeaseRefresher;
import software.amazon.kinesis.metrics.NullMetricsScope;

/**
 * The KCL's own shard syncer judges the lists of shards: it refuses those that do not cover all hash keys at the initial
 * position, and makes leases for the rest. The table of leases is in memory.
 */
final class Leases {
    private Leases() {}

    static void run(Kinesis kinesis, String stream) throws Exception {
        kinesis.create(stream, 2);
        Instant created = kinesis.summary(stream).streamCreationTimestamp();
        kinesis.client
                .splitShard(r -> r.streamName(stream)
                        .shardToSplit("shardId-000000000000")
                        .newStartingHashKey("85070591730234615865843651857942052864"))
                .join();
        kinesis.waitUntilActive(stream);
        kinesis.client
                .mergeShards(r -> r.streamName(stream)
                        .shardToMerge("shardId-000000000003")
                        .adjacentShardToMerge("shardId-000000000001"))
                .join();
        kinesis.waitUntilActive(stream);
        Instant merged = Instant.now();
        Check.eventually("the time after the merge", () -> Instant.now().minusMillis(1).isAfter(merged));
        Instant resharded = Instant.now();

        var oldest = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
        var latest = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.LATEST);
        var atCreation = InitialPositionInStreamExtended.newInitialPositionAtTimestamp(Date.from(created));
        var atEnd = InitialPositionInStreamExtended.newInitialPositionAtTimestamp(Date.from(resharded));
        Check.equal(leases(kinesis, stream, oldest), Set.of("0", "1"), "the leases from the oldest record");
        Check.equal(leases(kinesis, stream, atCreation), Set.of("0", "1"), "the leases from the stream's creation");
        Check.equal(leases(kinesis, stream, latest), Set.of("2", "4"), "the leases from the latest record");
        Check.equal(leases(kinesis, stream, atEnd), Set.of("2", "4"), "the leases from after resharding");

        // What the KCL does at the end of a shard, and when it finds one that has ended long ago.
        Map<String, Set<String>> children = Map.of("0", Set.of("2", "3"), "1", Set.of("4"), "3", Set.of("4"));
        for (var closed : children.entrySet()) {
            String parent = "shardId-00000000000" + closed.getKey();
            Map<String, Lease> made = new TreeMap<>();
            for (ChildShard child : detector(kinesis, stream).getChildShards(parent)) {
                Lease lease = new HierarchicalShardSyncer()
                        .createLeaseForChildShard(child, StreamIdentifier.singleStreamInstance(stream));
                Check.that(lease.parentShardIds().contains(parent), "the lease of a child names its parent " + parent);
                made.put(lease.leaseKey(), lease);
            }
            Check.equal(shortIds(made), closed.getValue(), "the children of " + parent);
        }

        // A table that knows the first shards finds nothing to add until these have ended: their children follow them.
        Map<String, Lease> known = new TreeMap<>();
        sync(kinesis, stream, oldest, known);
        sync(kinesis, stream, oldest, known);
        Check.equal(shortIds(known), Set.of("0", "1"), "the leases of a table that has some");

        for (int target : List.of(4, 8, 5)) {
            kinesis.client
                    .updateShardCount(
                            r -> r.streamName(stream).targetShardCount(target).scalingType(ScalingType.UNIFORM_SCALING))
                    .join();
            kinesis.waitUntilActive(stream);
            Check.equal(leases(kinesis, stream, latest).size(), target, "the count of leases from the latest record");
            Check.equal(leases(kinesis, stream, oldest), Set.of("0", "1"), "the leases from the oldest record");
        }
    }

    /** The shards that an empty table gets leases for. */
    private static Set<String> leases(Kinesis kinesis, String stream, InitialPositionInStreamExtended start) throws Exception {
        Map<String, Lease> table = new TreeMap<>();
        sync(kinesis, stream, start, table);
        return shortIds(table);
    }

    private static Set<String> shortIds(Map<String, Lease> table) {
        Set<String> ids = new TreeSet<>();
        table.keySet().forEach(id -> ids.add(id.replaceFirst("shardId-0{1,11}", "")));
        return ids;
    }

    private static void sync(
            Kinesis kinesis, String stream, InitialPositionInStreamExtended start, Map<String, Lease> table) throws Exception {
        boolean isEmpty = table.isEmpty();
        new HierarchicalShardSyncer(false, stream)
                .checkAndCreateLeaseForNewShards(
                        detector(kinesis, stream), refresher(table), start, new NullMetricsScope(), false, isEmpty);
    }

    /** Makes no pauses and one attempt and keeps nothing: what the server says first is judged. */
    private static KinesisShardDetector detector(Kinesis kinesis, String stream) {
        StreamIdentifier id = StreamIdentifier.singleStreamInstance(stream);
        return new KinesisShardDetector(kinesis.client, id, 0, 1, 0, 0, 1, Duration.ofSeconds(30));
    }

    private static LeaseRefresher refresher(Map<String, Lease> table) {
        return (LeaseRefresher) Proxy.newProxyInstance(
                Leases.class.getClassLoader(), new Class<?>[] {LeaseRefresher.class}, (proxy, method, arguments) ->
                        switch (method.getName()) {
                            case "getLeaseTableIdentifier" -> "leases";
                            case "isLeaseTableEmpty" -> table.isEmpty();
                            case "listLeases", "listLeasesForStream" -> List.copyOf(table.values());
                            case "createLeaseIfNotExists" -> {
                                Lease lease = (Lease) arguments[0];
                                yield table.putIfAbsent(lease.leaseKey(), lease) == null;
                            }
                            default -> throw new UnsupportedOperationException(method.getName());
                        });
    }
}
