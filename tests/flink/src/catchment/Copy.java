package catchment;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.DataStreamSource;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * A Flink job that copies one stream into another, on a cluster within this process. It takes commands, one a line, from
 * the standard input: {@code restart} stops the job with a savepoint and starts it again from there, {@code stop} ends
 * it. What was done is printed.
 */
public final class Copy {
    /** Shards are read side by side, and a child may be read elsewhere than its parent. */
    private static final int PARALLELISM = 2;

    private static final long CHECKPOINT_INTERVAL_MS = 200;

    private final Settings settings;
    private final String savepoints;
    private volatile boolean isStopping;

    private Copy(Settings settings, String savepoints) {
        this.settings = settings;
        this.savepoints = savepoints;
    }

    public static void main(String[] arguments) {
        try {
            Settings settings = new Settings(arguments[0], arguments[1], arguments[2], arguments[3]);
            new Copy(settings, arguments[4]).obey();
        } catch (Throwable error) {
            end(error);
        }
        System.exit(0);
    }

    private void obey() throws Exception {
        JobClient job = start(new Configuration());
        System.out.println("started");
        var commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            String savepoint = stop(job);
            switch (command) {
                case "restart" -> {
                    Configuration resumed = new Configuration();
                    resumed.setString("execution.savepoint.path", savepoint);
                    job = start(resumed);
                    System.out.println("restarted");
                }
                case "stop" -> {
                    System.out.println("stopped");
                    return;
                }
                default -> throw new IllegalArgumentException(command);
            }
        }
    }

    private JobClient start(Configuration configuration) throws Exception {
        // A job that fails is to fail for good: restarts would hide what goes wrong.
        configuration.setString("restart-strategy.type", "none");
        var environment = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
        environment.setParallelism(PARALLELISM);
        environment.enableCheckpointing(CHECKPOINT_INTERVAL_MS);
        DataStreamSource<String> records =
                switch (settings.how()) {
                    case "polling", "fan-out" -> environment.addSource(settings.consumer());
                    case "source" -> environment.fromSource(
                            settings.source(), WatermarkStrategy.noWatermarks(), "stream", Types.STRING);
                    default -> throw new IllegalArgumentException(settings.how());
                };
        records.uid("from").sinkTo(settings.sink()).uid("to");
        isStopping = false;
        JobClient job = environment.executeAsync("copy");
        job.getJobExecutionResult().whenComplete((result, error) -> {
            if (!isStopping) {
                end(error != null ? error : new IllegalStateException("the job ended by itself"));
            }
        });
        return job;
    }

    /** Gives the path of the savepoint. */
    private String stop(JobClient job) throws Exception {
        isStopping = true;
        String savepoint = job.stopWithSavepoint(false, savepoints, SavepointFormatType.CANONICAL).get();
        job.getJobExecutionResult().get();
        return savepoint;
    }

    private static void end(Throwable error) {
        error.printStackTrace();
        // At once: the cluster's own ending may wait for what is broken.
        Runtime.getRuntime().halt(1);
    }
}
