package catchment;

import com.amazonaws.services.kinesis.metrics.interfaces.MetricsLevel;
import java.nio.charset.StandardCharsets;
import org.apache.spark.SparkConf;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Duration;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.kinesis.KinesisInitialPositions;
import org.apache.spark.streaming.kinesis.KinesisInputDStream;
import org.apache.spark.streaming.kinesis.SparkAWSCredentials;
import scala.reflect.ClassTag$;

/** A Spark application that prints the data of a stream's records, a record a line, until its standard input ends. */
public final class Read {
    private static final Duration BATCH = Durations.milliseconds(200);

    private Read() {}

    public static void main(String[] arguments) throws Exception {
        String endpoint = arguments[0];
        String stream = arguments[1];
        SparkConf configuration = new SparkConf()
                .setAppName(stream)
                // The receiver keeps one thread for itself.
                .setMaster("local[2]")
                .set("spark.ui.enabled", "false");
        try (var context = new JavaStreamingContext(configuration, BATCH)) {
            var input = KinesisInputDStream.builder()
                    .streamingContext(context)
                    .streamName(stream)
                    .endpointUrl(endpoint)
                    .regionName("us-east-1")
                    .initialPosition(new KinesisInitialPositions.TrimHorizon())
                    // Also the name of the table of leases.
                    .checkpointAppName(stream)
                    .checkpointInterval(BATCH)
                    .storageLevel(StorageLevel.MEMORY_ONLY())
                    .kinesisCredentials(SparkAWSCredentials.builder()
                            .basicCredentials("000000000000", "test")
                            .build())
                    // Others are sent to CloudWatch.
                    .metricsLevel(MetricsLevel.NONE)
                    .build();
            JavaDStream<byte[]> records = JavaDStream.fromDStream(input, ClassTag$.MODULE$.apply(byte[].class));
            records.foreachRDD(batch -> batch.collect()
                    .forEach(data -> System.out.println(new String(data, StandardCharsets.UTF_8))));
            context.start();
            while (System.in.read() >= 0) {}
        }
        // The client library's threads would go on.
        System.exit(0);
    }
}
