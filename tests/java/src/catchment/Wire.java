package catchment;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.http.Http2Metric;
import software.amazon.awssdk.http.SdkHttpHeaders;
import software.amazon.awssdk.metrics.MetricCollection;
import software.amazon.awssdk.metrics.MetricPublisher;

/** Notes what went over the wire: the content types of each operation, and how many calls HTTP/2 carried. */
final class Wire implements ExecutionInterceptor, MetricPublisher {
    private final Map<String, Set<String>> asked = new ConcurrentSkipListMap<>();
    private final Map<String, Set<String>> answered = new ConcurrentSkipListMap<>();
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicInteger http2Calls = new AtomicInteger();

    @Override
    public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
        note(asked, context.httpRequest(), attributes);
    }

    @Override
    public void afterTransmission(Context.AfterTransmission context, ExecutionAttributes attributes) {
        note(answered, context.httpResponse(), attributes);
    }

    private static void note(Map<String, Set<String>> types, SdkHttpHeaders message, ExecutionAttributes attributes) {
        String operation = attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME);
        types.computeIfAbsent(operation, name -> new ConcurrentSkipListSet<>())
                .add(message.firstMatchingHeader("Content-Type").orElse("none"));
    }

    @Override
    public void publish(MetricCollection call) {
        calls.incrementAndGet();
        if (isHttp2(call)) {
            http2Calls.incrementAndGet();
        }
    }

    /** The HTTP client measures stream windows for HTTP/2 alone. */
    private static boolean isHttp2(MetricCollection metrics) {
        return !metrics.metricValues(Http2Metric.LOCAL_STREAM_WINDOW_SIZE_IN_BYTES).isEmpty()
                || metrics.children().stream().anyMatch(Wire::isHttp2);
    }

    @Override
    public void close() {}

    void print() {
        asked.forEach((operation, types) -> Main.say("asked " + operation, String.join(",", types)));
        answered.forEach((operation, types) -> Main.say("answered " + operation, String.join(",", types)));
        Main.say("calls", calls);
        Main.say("calls by HTTP/2", http2Calls);
    }
}
