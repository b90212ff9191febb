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
 * A Flink job that copies one stream into another, on a cluster within this process, until its standard input ends. Each
 * line there has it stop the job with a savepoint and start it again from that; then it says so.
 */
public final class Copy {
    /** Shards are read side by side, and a child may be read elsewhere than its parent. */
    private static final int PARALLELISM = 2;

    private static final long CHECKPOINT_INTERVAL_MS = 200;

    private final Settings settings;
    private final String savepoints;
    private volatile JobClient stopping;

    private Copy(Settings settings, String savepoints) {
        this.settings = settings;
        this.savepoints = savepoints;
    }

    public static void main(String[] arguments) {
        try {
            Settings settings = new Settings(arguments[0], arguments[1], arguments[2], arguments[3]);
            new Copy(settings, arguments[4]).run();
        } catch (Throwable error) {
            end(error);
        }
        Runtime.getRuntime().halt(0);
    }

    private void run() throws Exception {
        JobClient job = start(new Configuration());
        System.out.println("started");
        var commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        while (commands.readLine() != null) {
            Configuration resumed = new Configuration();
            resumed.setString("execution.savepoint.path", stop(job));
            job = start(resumed);
            System.out.println("restarted");
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
        JobClient job = environment.executeAsync("copy");
        job.getJobExecutionResult().whenComplete((result, error) -> {
            if (job != stopping) {
                end(error != null ? error : new IllegalStateException("the job ended by itself"));
            }
        });
        return job;
    }

    /** Gives the path of the savepoint. */
    private String stop(JobClient job) throws Exception {
        stopping = job;
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
