package catchment;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/** Records in and out: data byte for byte, keys beyond ASCII, times to the millisecond. */
final class RoundTrip {
    private static final int MIB = 1 << 20;

    private RoundTrip() {}

    static void run(Kinesis kinesis, String stream) throws Exception {
        kinesis.create(stream, 1);
        data(kinesis, stream);
        times(kinesis, stream);
    }

    private static void data(Kinesis kinesis, String stream) {
        byte[] all = new byte[256];
        for (int value = 0; value < all.length; value++) {
            all[value] = (byte) value;
        }
        // A record's key counts as its data do.
        byte[] large = new byte[MIB - "large".length()];
        new Random(1).nextBytes(large);
        List<PutRecordsRequestEntry> sent = List.of(
                Kinesis.entry("all", SdkBytes.fromByteArray(all)),
                Kinesis.entry("large", SdkBytes.fromByteArray(large)),
                Kinesis.entry("ключ 键 🔑", Kinesis.text("{\"text\": \"é\"}")),
                Kinesis.entry("empty", SdkBytes.fromByteArray(new byte[0])));
        var answer = kinesis.client.putRecords(request -> request.streamName(stream).records(sent)).join();
        Check.equal(answer.failedRecordCount(), 0, "the count of failed records");
        List<Record> found = kinesis.readToTip(kinesis.iterator(Kinesis.oldest(stream, Kinesis.FIRST_SHARD).build()));
        Check.equal(found.size(), sent.size(), "the count of records");
        for (int n = 0; n < sent.size(); n++) {
            String key = sent.get(n).partitionKey();
            Check.equal(found.get(n).partitionKey(), key, "the key");
            Check.that(found.get(n).data().equals(sent.get(n).data()), "the data of " + key + " came back changed");
            Check.equal(found.get(n).sequenceNumber(), answer.records().get(n).sequenceNumber(), "the number of " + key);
        }
    }

    private static void times(Kinesis kinesis, String stream) throws Exception {
        List<String> numbers = new ArrayList<>();
        List<Instant> before = new ArrayList<>();
        List<Instant> after = new ArrayList<>();
        for (int n = 0; n < 5; n++) {
            // Each record comes in a millisecond of its own.
            Instant last = n == 0 ? Instant.EPOCH : after.get(n - 1);
            Check.eventually("the next millisecond", () -> now().isAfter(last));
            before.add(now());
            PutRecordResponse put = kinesis.client
                    .putRecord(request -> request.streamName(stream).partitionKey("time").data(Kinesis.text("x")))
                    .join();
            numbers.add(put.sequenceNumber());
            after.add(now());
        }
        String start = kinesis.iterator(GetShardIteratorRequest.builder()
                .streamName(stream)
                .shardId(Kinesis.FIRST_SHARD)
                .shardIteratorType(ShardIteratorType.AT_SEQUENCE_NUMBER)
                .startingSequenceNumber(numbers.get(0))
                .build());
        List<Record> found = kinesis.readToTip(start);
        for (int n = 0; n < 5; n++) {
            Record record = found.get(n);
            Instant arrival = record.approximateArrivalTimestamp();
            Check.equal(record.sequenceNumber(), numbers.get(n), "the number of record " + n);
            Check.that(
                    !arrival.isBefore(before.get(n)) && !arrival.isAfter(after.get(n)),
                    "record " + n + " came between " + before.get(n) + " and " + after.get(n) + ", not at " + arrival);
            // A time to the millisecond goes to the server, too.
            Check.equal(first(kinesis, stream, arrival), numbers.get(n), "the first record from " + arrival);
            if (n > 0) {
                Instant later = found.get(n - 1).approximateArrivalTimestamp().plusMillis(1);
                Check.equal(first(kinesis, stream, later), numbers.get(n), "the first record from " + later);
            }
        }
    }

    /** The sequence number of the first record that came at a time or later. */
    private static String first(Kinesis kinesis, String stream, Instant time) {
        String iterator = kinesis.iterator(GetShardIteratorRequest.builder()
                .streamName(stream)
                .shardId(Kinesis.FIRST_SHARD)
                .shardIteratorType(ShardIteratorType.AT_TIMESTAMP)
                .timestamp(time)
                .build());
        return kinesis.readToTip(iterator).get(0).sequenceNumber();
    }

    private static Instant now() {
        return Instant.now().truncatedTo(ChronoUnit.MILLIS);
    }
}
