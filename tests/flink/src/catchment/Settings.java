package catchment;

import java.util.Properties;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kinesis.sink.KinesisStreamsSink;
import org.apache.flink.connector.kinesis.source.KinesisStreamsSource;
import org.apache.flink.streaming.connectors.kinesis.FlinkKinesisConsumer;

/**
 * What a user sets so that the connector talks to another endpoint than AWS's, and so that a test need not wait.
 *
 * @param how {@code polling} and {@code fan-out} are FlinkKinesisConsumer, {@code source} is KinesisStreamsSource
 * @param from the ARN of the stream to read
 * @param to the ARN of the stream to write
 */
record Settings(String how, String endpoint, String from, String to) {
    private static final String REGION = "us-east-1";
    private static final String DISCOVERY_INTERVAL_MS = "200";

    FlinkKinesisConsumer<String> consumer() {
        Properties properties = client();
        properties.setProperty("flink.stream.initpos", "TRIM_HORIZON");
        properties.setProperty("flink.shard.discovery.intervalmillis", DISCOVERY_INTERVAL_MS);
        if (how.equals("fan-out")) {
            properties.setProperty("flink.stream.recordpublisher", "EFO");
            properties.setProperty("flink.stream.efo.consumername", "flink");
        }
        return new FlinkKinesisConsumer<>(from.substring(from.indexOf('/') + 1), new Lines.OfConsumer(), properties);
    }

    KinesisStreamsSource<String> source() {
        Configuration configuration = new Configuration();
        client().forEach((name, value) -> configuration.setString((String) name, (String) value));
        configuration.setString("flink.stream.initpos", "TRIM_HORIZON");
        configuration.setString("flink.shard.discovery.intervalmillis", DISCOVERY_INTERVAL_MS);
        return KinesisStreamsSource.<String>builder()
                .setStreamArn(from)
                .setSourceConfig(configuration)
                .setDeserializationSchema(new Lines.OfSource())
                .build();
    }

    KinesisStreamsSink<String> sink() {
        return KinesisStreamsSink.<String>builder()
                .setKinesisClientProperties(client())
                .setStreamArn(to)
                .setSerializationSchema(new SimpleStringSchema())
                .setPartitionKeyGenerator(Lines::key)
                .setFailOnError(true)
                // With more, two requests may overtake each other, and the order of a key is lost.
                .setMaxInFlightRequests(1)
                .setMaxTimeInBufferMS(100)
                .build();
    }

    private Properties client() {
        Properties properties = new Properties();
        properties.setProperty("aws.endpoint", endpoint);
        properties.setProperty("aws.region", REGION);
        properties.setProperty("aws.credentials.provider", "BASIC");
        properties.setProperty("aws.credentials.provider.basic.accesskeyid", "000000000000");
        properties.setProperty("aws.credentials.provider.basic.secretkey", "test");
        return properties;
    }
}
