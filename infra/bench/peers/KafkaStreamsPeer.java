import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The same windows in Kafka Streams with {@code exactly_once_v2}: one stream thread, sessions in an in-memory store with
 * its changelog topic and record cache, everything else as Kafka Streams has it (a commit every 100 ms).
 *
 * <p>Invariants: windows, numbers and features are those of {@code windows.py}, which a test holds to
 * {@code pipeline/dynamics}; what the Python peers are spared, this one is spared, too.
 */
public final class KafkaStreamsPeer {
    static final int STEPS = 50;
    static final int HOP = 10;
    static final long PAUSE_US = 30_000_000;
    static final long RELEASE_TIMEOUT_US = 5_000_000;
    static final long BATCH_EVENTS_MAX = 2_000;
    static final int EXIT_ABSENT = 3;
    static final String STORE = "sessions";
    /** A topic without a new record for so long holds no more. */
    static final long IDLE_S = 60;

    static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(60);

    static final List<String> CLASSES = List.of(
            "letter", "letter_left", "letter_right", "digit", "punctuation", "space", "enter", "backspace", "modifier",
            "navigation", "other");
    static final double[] MEAN = {-2.264, -1.687, 1.531, 0.789, 0.217, 0.226};
    static final double[] SD = {0.407, 0.687, 0.652, 1.011, 0.412, 0.434};
    static final double CLIP = 5.0;
    static final int FEATURES = MEAN.length + CLASSES.size();

    /** In place of a release that has not come, and of one that will not come. */
    static final long PENDING = 0;

    static final long LOST = -1;

    static final ObjectMapper MAPPER = new ObjectMapper();
    static final ObjectReader BATCH = MAPPER.readerFor(Batch.class);
    static final ObjectWriter WINDOW = MAPPER.writerFor(Written.class);

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Batch(int v, String tenant, String session, int seq, String consent, Clock clock, List<Event> events) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Clock(long origin_us) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Event(String type, long t_us, long press, @JsonProperty("class") String kind) {}

    record Window(long sequence, String closed, long firstUs, long lastUs, float[] features) {}

    /** What is written of a window. */
    record Written(
            String session, long sequence, String closed, int steps, long first_us, long last_us, float mean,
            int partition, long offset) {}

    public static void main(String[] arguments) throws Exception {
        try {
            run(new Options(arguments));
        } catch (NoClassDefFoundError error) {
            System.err.println("Kafka Streams is not here, so there is nothing to compare with: " + error.getMessage());
            System.exit(EXIT_ABSENT);
        }
    }

    static void run(Options options) throws Exception {
        Meter meter = new Meter(options.records);
        Topology topology = new Topology();
        topology.addSource("events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), options.events);
        topology.addProcessor("windows", () -> new Windows(meter), "events");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Session.serde())
                        .withCachingEnabled(),
                "windows");
        topology.addSink(
                "output", options.output, Serdes.String().serializer(), Serdes.ByteArray().serializer(), "windows");
        Path folder = Files.createTempDirectory("ductus-streams-");
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-" + UUID.randomUUID());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.toString());
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), options.live ? "latest" : "earliest");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        // SIGTERM ends a live run: the hook holds the JVM until this thread has told the result and halted it.
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            meter.complete.countDown();
            try {
                main.join(CLOSE_TIMEOUT.toMillis());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        // A topic that holds fewer records than announced must not hold the benchmark.
        long before = -1;
        while (!meter.complete.await(IDLE_S, TimeUnit.SECONDS) && (options.live || meter.records > before)) {
            before = meter.records;
        }
        streams.close(CLOSE_TIMEOUT);
        boolean all = meter.tell();
        streams.cleanUp();
        Files.deleteIfExists(folder);
        Runtime.getRuntime().halt(all ? 0 : 1);
    }

    /** The command line that all peers have in common. */
    static final class Options {
        String bootstrap;
        String events;
        String output;
        long records;
        boolean live;

        Options(String[] arguments) {
            for (int at = 0; at < arguments.length; at++) {
                switch (arguments[at]) {
                    case "--bootstrap" -> bootstrap = arguments[++at];
                    case "--events" -> events = arguments[++at];
                    case "--output" -> output = arguments[++at];
                    case "--records" -> records = Long.parseLong(arguments[++at]);
                    case "--live" -> live = true;
                    case "--model" -> {
                        System.err.println("this peer has no network: ONNX Runtime is not among the jars of Kafka Streams");
                        System.exit(EXIT_ABSENT);
                    }
                    default -> throw new IllegalArgumentException("unknown argument " + arguments[at]);
                }
            }
            if (bootstrap == null || events == null || output == null || live == (records > 0)) {
                throw new IllegalArgumentException(
                        "usage: --bootstrap HOST:PORT --events TOPIC --output TOPIC (--records N | --live)");
            }
        }
    }

    /** Reads batches, keeps sessions, forwards windows. */
    static final class Windows implements Processor<byte[], byte[], String, byte[]> {
        private final Meter meter;
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, Session> sessions;

        Windows(Meter meter) {
            this.meter = meter;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.sessions = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            meter.onStart();
            try {
                Batch batch = BATCH.readValue(record.value());
                if (batch.v() == 1 && "granted".equals(batch.consent())) {
                    take(batch, record.timestamp());
                }
                meter.onRecord(batch.events().size());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        private void take(Batch batch, long timestampMs) throws IOException {
            String key = batch.tenant() + "/" + batch.session();
            Session session = sessions.get(key);
            if (session == null) {
                session = new Session(batch.seq() * BATCH_EVENTS_MAX, batch.clock().origin_us());
            }
            List<Window> windows = session.take(batch);
            sessions.put(key, session);
            for (Window window : windows) {
                double sum = 0;
                for (float value : window.features()) {
                    sum += value;
                }
                var place = context.recordMetadata().orElseThrow();
                Written written = new Written(
                        batch.session(), window.sequence(), window.closed(), window.features().length / FEATURES,
                        window.firstUs(), window.lastUs(), (float) (sum / window.features().length),
                        place.partition(), place.offset());
                context.forward(new Record<>(batch.session(), WINDOW.writeValueAsBytes(written), timestampMs));
                meter.windows++;
            }
        }
    }

    /** What is kept of one session between its batches. */
    static final class Session {
        private long sequence;
        private long originUs;
        /** Event time of the last press. */
        private long lastUs;
        /** Steps that were in no window yet: the last ones. */
        private int fresh;

        private int steps;
        private long[] press = new long[STEPS + 2];
        private long[] downUs = new long[STEPS + 2];
        private long[] upUs = new long[STEPS + 2];
        private byte[] kind = new byte[STEPS + 2];

        Session(long sequence, long originUs) {
            this.sequence = sequence;
            this.originUs = originUs;
        }

        List<Window> take(Batch batch) {
            List<Window> windows = new ArrayList<>();
            if (batch.clock().origin_us() != originUs) {
                close("clock_step", windows);
                originUs = batch.clock().origin_us();
            }
            for (Event event : batch.events()) {
                long tUs = originUs + event.t_us();
                if (steps > 0 && tUs - lastUs > PAUSE_US) {
                    close("pause", windows);
                }
                switch (event.type()) {
                    case "down" -> push(event, tUs);
                    case "up" -> release(event.press(), tUs);
                    case "blur" -> lose();
                    case "end" -> close("end", windows);
                    default -> {
                        continue;
                    }
                }
                emitFull(tUs, windows);
            }
            return windows;
        }

        private void push(Event event, long tUs) {
            if (steps == press.length) {
                press = Arrays.copyOf(press, 2 * steps);
                downUs = Arrays.copyOf(downUs, 2 * steps);
                upUs = Arrays.copyOf(upUs, 2 * steps);
                kind = Arrays.copyOf(kind, 2 * steps);
            }
            press[steps] = event.press();
            downUs[steps] = tUs;
            upUs[steps] = PENDING;
            kind[steps] = (byte) CLASSES.indexOf(event.kind());
            lastUs = tUs;
            steps++;
            fresh++;
        }

        private void release(long number, long tUs) {
            for (int at = steps - 1; at >= 0; at--) {
                if (press[at] == number) {
                    upUs[at] = tUs;
                    return;
                }
            }
        }

        private void lose() {
            for (int at = 0; at < steps; at++) {
                upUs[at] = upUs[at] == PENDING ? LOST : upUs[at];
            }
        }

        private void emitFull(long tUs, List<Window> windows) {
            while (steps >= STEPS && complete(tUs)) {
                emit(STEPS, "count", windows);
                fresh = steps - STEPS;
                steps -= HOP;
                System.arraycopy(press, HOP, press, 0, steps);
                System.arraycopy(downUs, HOP, downUs, 0, steps);
                System.arraycopy(upUs, HOP, upUs, 0, steps);
                System.arraycopy(kind, HOP, kind, 0, steps);
            }
        }

        /** Whether the next window waits for no release any more. */
        private boolean complete(long tUs) {
            for (int at = 0; at < STEPS; at++) {
                if (upUs[at] == PENDING && tUs - downUs[at] <= RELEASE_TIMEOUT_US) {
                    return false;
                }
            }
            return true;
        }

        private void close(String closed, List<Window> windows) {
            lose();
            emitFull(0, windows);
            if (fresh > 0) {
                emit(steps, closed, windows);
            }
            steps = 0;
            fresh = 0;
        }

        private void emit(int count, String closed, List<Window> windows) {
            long lastUs = 0;
            for (int at = 0; at < count; at++) {
                lastUs = Math.max(lastUs, upUs[at] > 0 ? upUs[at] : downUs[at]);
            }
            windows.add(new Window(sequence++, closed, downUs[0], lastUs, features(count)));
        }

        /** Steps × features; a value that is not defined is 0, its mean. */
        private float[] features(int count) {
            float[] values = new float[count * FEATURES];
            for (int at = 0; at < count; at++) {
                int row = at * FEATURES;
                boolean released = upUs[at] > 0;
                boolean releasedBefore = at > 0 && upUs[at - 1] > 0;
                if (released) {
                    values[row] = normal(0, Math.log(Math.clamp((upUs[at] - downUs[at]) / 1e6, 0.01, 1.0)));
                }
                if (at > 0) {
                    values[row + 1] = normal(1, Math.log(Math.clamp((downUs[at] - downUs[at - 1]) / 1e6, 0.005, 3.0)));
                }
                if (released && releasedBefore) {
                    values[row + 2] = normal(2, slog((upUs[at] - upUs[at - 1]) / 1e6));
                }
                if (releasedBefore) {
                    double flight = (downUs[at] - upUs[at - 1]) / 1e6;
                    values[row + 3] = normal(3, slog(flight));
                    values[row + 4] = normal(4, flight < 0 ? 1 : 0);
                }
                int stillDown = 0;
                for (int before = Math.max(0, at - 4); before < at; before++) {
                    stillDown += upUs[before] > downUs[at] ? 1 : 0;
                }
                values[row + 5] = normal(5, Math.min(stillDown, 3));
                values[row + MEAN.length + kind[at]] = 1;
            }
            return values;
        }

        private static float normal(int feature, double value) {
            return (float) Math.clamp((value - MEAN[feature]) / SD[feature], -CLIP, CLIP);
        }

        private static double slog(double seconds) {
            double clipped = Math.clamp(seconds, -1.0, 3.0);
            return Math.signum(clipped) * Math.log1p(Math.abs(clipped) / 0.05);
        }

        private byte[] toBytes() {
            ByteBuffer bytes = ByteBuffer.allocate(32 + steps * 25);
            bytes.putLong(sequence).putLong(originUs).putLong(lastUs).putInt(fresh).putInt(steps);
            for (int at = 0; at < steps; at++) {
                bytes.putLong(press[at]).putLong(downUs[at]).putLong(upUs[at]).put(kind[at]);
            }
            return bytes.array();
        }

        private static Session fromBytes(byte[] from) {
            ByteBuffer bytes = ByteBuffer.wrap(from);
            Session session = new Session(bytes.getLong(), bytes.getLong());
            session.lastUs = bytes.getLong();
            session.fresh = bytes.getInt();
            int steps = bytes.getInt();
            int room = Math.max(steps + 2, STEPS + 2);
            if (room > session.press.length) {
                session.press = new long[room];
                session.downUs = new long[room];
                session.upUs = new long[room];
                session.kind = new byte[room];
            }
            for (int at = 0; at < steps; at++) {
                session.press[at] = bytes.getLong();
                session.downUs[at] = bytes.getLong();
                session.upUs[at] = bytes.getLong();
                session.kind[at] = bytes.get();
            }
            session.steps = steps;
            return session;
        }

        static Serde<Session> serde() {
            return Serdes.serdeFrom(
                    (topic, session) -> session == null ? null : session.toBytes(),
                    (topic, bytes) -> bytes == null ? null : fromBytes(bytes));
        }
    }

    /** Counts what passes, and what it cost. Only the stream thread counts. */
    static final class Meter {
        private final long expected;
        private volatile long records;
        private long events;
        private long windows;
        private double startupS;
        private double halfS;
        private long startedNs;
        private long rssStartup;
        final CountDownLatch complete = new CountDownLatch(1);

        Meter(long expected) {
            this.expected = expected;
        }

        void onStart() {
            if (startedNs == 0) {
                startupS = cpuS();
                rssStartup = rssBytesMax();
                startedNs = System.nanoTime();
            }
        }

        void onRecord(int count) {
            records++;
            events += count;
            if (halfS == 0 && expected > 0 && 2 * records >= expected) {
                halfS = cpuS();
            }
            if (records == expected) {
                complete.countDown();
            }
        }

        /** Prints the result; whether all records came. */
        boolean tell() throws IOException {
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("peer", "kafka-streams");
            result.put("version", AppInfoParser.getVersion());
            result.put("records", records);
            result.put("events", events);
            result.put("windows", windows);
            result.put("cpu_s", cpuS());
            result.put("cpu_startup_s", startupS);
            result.put("cpu_half_s", halfS);
            result.put("wall_s", startedNs == 0 ? 0.0 : (System.nanoTime() - startedNs) / 1e9);
            result.put("rss_bytes_startup", rssStartup);
            result.put("rss_bytes_max", rssBytesMax());
            System.out.println(MAPPER.writeValueAsString(result));
            System.out.flush();
            return expected == 0 || records == expected;
        }

        private static double cpuS() {
            var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
            return system.getProcessCpuTime() / 1e9;
        }

        private static long rssBytesMax() {
            try (var lines = Files.lines(Path.of("/proc/self/status"))) {
                String line = lines.filter(one -> one.startsWith("VmHWM:")).findFirst().orElseThrow();
                return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
