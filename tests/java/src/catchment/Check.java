package catchment;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** Checks of what a scenario found, and waiting for what is to come. */
final class Check {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private Check() {}

    static void that(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object found, Object expected, String what) {
        that(Objects.equals(found, expected), what + " is " + found + ", not " + expected);
    }

    /** Waits until something holds. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        Instant deadline = Instant.now().plus(PATIENCE);
        while (!holds.call()) {
            that(Instant.now().isBefore(deadline), "it never came true: " + what);
            Thread.sleep(10);
        }
    }

    /** Waits for the error that a call ends with, which is to be of exactly this class. */
    static <E extends Throwable> E fails(Class<E> expected, CompletableFuture<?> call) {
        try {
            call.join();
        } catch (CompletionException error) {
            Throwable cause = error.getCause();
            if (cause.getClass() != expected) {
                throw new AssertionError(expected.getSimpleName() + " was to come, not " + cause, cause);
            }
            return expected.cast(cause);
        }
        throw new AssertionError(expected.getSimpleName() + " was to come, but the call succeeded");
    }
}
