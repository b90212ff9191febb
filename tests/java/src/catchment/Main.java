package catchment;

import java.net.URI;
import software.amazon.kinesis.coordinator.streamInfo.StreamIdCache;
import software.amazon.kinesis.coordinator.streamInfo.StreamIdOnboardingState;

/** Runs one scenario against a server; prints what it found, and ends with 1 and the reason if something was wrong. */
public final class Main {
    public static void main(String[] arguments) {
        String scenario = arguments[0];
        String stream = arguments[2];
        // The KCL's parts look for ids of streams in a table unless they are told that there are none.
        StreamIdCache.initialize(null, StreamIdOnboardingState.NOT_ONBOARDED);
        try (Kinesis kinesis = new Kinesis(URI.create(arguments[1]))) {
            switch (scenario) {
                case "round-trip" -> RoundTrip.run(kinesis, stream);
                case "fan-out" -> FanOut.run(kinesis, stream);
                case "errors" -> Errors.run(kinesis, stream);
                case "retries" -> Errors.retries(kinesis, stream);
                case "resharding" -> Resharding.run(kinesis, stream, arguments[3]);
                case "leases" -> Leases.run(kinesis, stream);
                case "aggregates" -> Aggregates.run(kinesis, stream);
                default -> throw new IllegalArgumentException("there is no scenario " + scenario);
            }
            kinesis.wire.print();
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
        // The HTTP client's threads would go on.
        System.exit(0);
    }

    static void say(String what, Object value) {
        System.out.println(what + ": " + value);
    }
}
