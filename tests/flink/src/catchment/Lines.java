package catchment;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
// The connector's jar holds the SDK under another name.
import org.apache.flink.kinesis.shaded.software.amazon.awssdk.services.kinesis.model.Record;
import org.apache.flink.util.Collector;

/** A record as a line: the shard that it was read from, its partition key and its data, with spaces between. */
final class Lines {
    private Lines() {}

    static String key(String line) {
        return line.split(" ")[1];
    }

    private static String line(String shard, String key, byte[] data) {
        return shard + " " + key + " " + new String(data, StandardCharsets.UTF_8);
    }

    static final class OfConsumer
            implements org.apache.flink.streaming.connectors.kinesis.serialization.KinesisDeserializationSchema<String> {
        @Override
        public String deserialize(byte[] data, String key, String number, long arrived, String stream, String shard) {
            return line(shard, key, data);
        }

        @Override
        public TypeInformation<String> getProducedType() {
            return Types.STRING;
        }
    }

    static final class OfSource
            implements org.apache.flink.connector.kinesis.source.serialization.KinesisDeserializationSchema<String> {
        @Override
        public void deserialize(Record record, String stream, String shard, Collector<String> out) {
            out.collect(line(shard, record.partitionKey(), record.data().asByteArray()));
        }

        @Override
        public TypeInformation<String> getProducedType() {
            return Types.STRING;
        }
    }
}
