package catchment;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.ProtocolNegotiation;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.async.SdkAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.retries.api.RetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.awssdk.utils.AttributeMap;

/** The SDK's client as applications have it, and the calls that several scenarios make. */
final class Kinesis implements AutoCloseable {
    static final String FIRST_SHARD = "shardId-000000000000";

    final KinesisAsyncClient client;
    final Wire wire = new Wire();
    private final URI endpoint;
    private final SdkAsyncHttpClient http;

    /**
     * Plain HTTP/2 is spoken with prior knowledge; behind TLS it is negotiated. The server signs its certificate itself.
     * The system property {@code http} chooses another version.
     */
    Kinesis(URI endpoint) {
        this.endpoint = endpoint;
        boolean isTls = endpoint.getScheme().equals("https");
        AttributeMap trust = AttributeMap.builder()
                .put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, isTls)
                .build();
        http = NettyNioAsyncHttpClient.builder()
                .protocol(Protocol.valueOf(System.getProperty("http", "HTTP2")))
                .protocolNegotiation(isTls ? ProtocolNegotiation.ALPN : ProtocolNegotiation.ASSUME_PROTOCOL)
                .buildWithDefaults(trust);
        // Retries would hide what goes wrong.
        client = clientWith(DefaultRetryStrategy.doNotRetry());
    }

    KinesisAsyncClient clientWith(RetryStrategy retries) {
        return KinesisAsyncClient.builder()
                .endpointOverride(endpoint)
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("000000000000", "test")))
                .httpClient(http)
                .overrideConfiguration(
                        options -> options.retryStrategy(retries).addExecutionInterceptor(wire).addMetricPublisher(wire))
                .build();
    }

    /** Creates a stream and waits until it may be used. */
    void create(String stream, int shards) throws Exception {
        client.createStream(request -> request.streamName(stream).shardCount(shards)).join();
        waitUntilActive(stream);
    }

    void waitUntilActive(String stream) throws Exception {
        Check.eventually(stream + " is active", () -> summary(stream).streamStatus() == StreamStatus.ACTIVE);
    }

    StreamDescriptionSummary summary(String stream) {
        return client.describeStreamSummary(request -> request.streamName(stream)).join().streamDescriptionSummary();
    }

    /** Registers a consumer, waits until it may subscribe, and gives its ARN. */
    String register(String stream, String name) throws Exception {
        String streamArn = summary(stream).streamARN();
        String arn = client.registerStreamConsumer(request -> request.streamARN(streamArn).consumerName(name))
                .join()
                .consumer()
                .consumerARN();
        Check.eventually(name + " is active", () -> client.describeStreamConsumer(request -> request.consumerARN(arn))
                        .join()
                        .consumerDescription()
                        .consumerStatus()
                == ConsumerStatus.ACTIVE);
        return arn;
    }

    /** The numbers from one to before another, as the data of one record each. */
    void putNumbers(String stream, int from, int to) {
        List<PutRecordsRequestEntry> entries = IntStream.range(from, to)
                .mapToObj(number -> entry("key", text(number)))
                .toList();
        var answer = client.putRecords(request -> request.streamName(stream).records(entries)).join();
        Check.equal(answer.failedRecordCount(), 0, "the count of failed records");
        Check.equal(answer.records().size(), to - from, "the count of results");
    }

    static PutRecordsRequestEntry entry(String key, SdkBytes data) {
        return PutRecordsRequestEntry.builder().partitionKey(key).data(data).build();
    }

    static SdkBytes text(Object value) {
        return SdkBytes.fromString(value.toString(), StandardCharsets.UTF_8);
    }

    String iterator(GetShardIteratorRequest request) {
        return client.getShardIterator(request).join().shardIterator();
    }

    static GetShardIteratorRequest.Builder oldest(String stream, String shard) {
        return GetShardIteratorRequest.builder()
                .streamName(stream)
                .shardId(shard)
                .shardIteratorType(ShardIteratorType.TRIM_HORIZON);
    }

    /** What there is from an iterator on up to the tip of an open shard. */
    List<Record> readToTip(String iterator) {
        List<Record> records = new ArrayList<>();
        while (true) {
            String at = iterator;
            GetRecordsResponse page = client.getRecords(request -> request.shardIterator(at)).join();
            records.addAll(page.records());
            if (page.millisBehindLatest() == 0) {
                return records;
            }
            iterator = page.nextShardIterator();
        }
    }

    @Override
    public void close() {
        client.close();
        http.close();
    }
}
