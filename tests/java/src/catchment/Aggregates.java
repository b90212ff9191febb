package catchment;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** Prints the records within the aggregates of a stream, as the KCL takes them apart. */
final class Aggregates {
    private Aggregates() {}

    static void run(Kinesis kinesis, String stream) {
        List<Record> records = kinesis.readToTip(kinesis.iterator(Kinesis.oldest(stream, Kinesis.FIRST_SHARD).build()));
        List<KinesisClientRecord> whole = records.stream().map(KinesisClientRecord::fromRecord).toList();
        for (KinesisClientRecord part : new AggregatorUtil().deaggregate(whole)) {
            // An index, because no two lines are to be the same.
            Main.say(
                    "part %s/%d".formatted(part.sequenceNumber(), part.subSequenceNumber()),
                    String.join(
                            " ",
                            part.aggregated() ? "aggregated" : "plain",
                            base64(StandardCharsets.UTF_8.encode(part.partitionKey())),
                            part.explicitHashKey() == null ? "-" : part.explicitHashKey(),
                            base64(part.data())));
        }
    }

    private static String base64(ByteBuffer data) {
        byte[] bytes = new byte[data.remaining()];
        data.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }
}
