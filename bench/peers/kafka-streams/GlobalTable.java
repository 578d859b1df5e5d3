import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** A GlobalKTable. One job as `name=value` arguments, one line of JSON as the answer. */
public final class GlobalTable {
    private static final Map<String, String> JOB = new HashMap<>();

    public static void main(String[] args) throws Exception {
        for (String argument : args) {
            int at = argument.indexOf('=');
            JOB.put(argument.substring(0, at), argument.substring(at + 1));
        }
        if (JOB.get("task").equals("catchUp")) catchUp();
        else follow();
        System.out.flush();
        // Not closed: that takes its time, and the process ends anyway.
        Runtime.getRuntime().halt(0);
    }

    /** Returns when the table holds what was in the topic at the start. */
    private static ReadOnlyKeyValueStore<String, byte[]> open() throws InterruptedException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "bench-" + UUID.randomUUID());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, JOB.get("brokers"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, JOB.get("directory"));
        copy(settings, "maxWaitMillis", "global.consumer.fetch.max.wait.ms");
        copy(settings, "maxBytes", "global.consumer.fetch.max.bytes");
        copy(settings, "maxPartitionBytes", "global.consumer.max.partition.fetch.bytes");

        boolean onDisk = "disk".equals(JOB.get("store"));
        StreamsBuilder builder = new StreamsBuilder();
        builder.globalTable(
            JOB.get("topic"),
            Consumed.with(Serdes.String(), Serdes.ByteArray()),
            Materialized.as(onDisk ? Stores.persistentKeyValueStore("table") : Stores.inMemoryKeyValueStore("table")));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch running = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) running.countDown();
        });
        streams.start();
        if (!running.await(5, TimeUnit.MINUTES)) throw new IllegalStateException("not running: " + streams.state());
        return streams.store(StoreQueryParameters.fromNameAndType("table", QueryableStoreTypes.keyValueStore()));
    }

    private static void copy(Properties settings, String from, String to) {
        if (JOB.containsKey(from)) settings.put(to, JOB.get(from));
    }

    private static void catchUp() throws Exception {
        System.gc();
        long idleRss = memory("VmRSS"), idleHeap = heap();
        double cpu = cpuSeconds();
        long start = System.nanoTime();
        ReadOnlyKeyValueStore<String, byte[]> table = open();
        double seconds = (System.nanoTime() - start) / 1e9;
        double endedAt = System.currentTimeMillis();
        cpu = cpuSeconds() - cpu;
        long peakRss = memory("VmHWM");
        System.gc();
        Thread.sleep(200);
        System.gc();
        long rss = memory("VmRSS"), heap = heap();

        long keys = 0, checksum = 0;
        CRC32 crc = new CRC32();
        try (KeyValueIterator<String, byte[]> entries = table.all()) {
            while (entries.hasNext()) {
                var entry = entries.next();
                crc.reset();
                crc.update(entry.key.getBytes(StandardCharsets.UTF_8));
                crc.update(entry.value);
                checksum += crc.getValue();
                keys++;
            }
        }
        String figures = number("seconds", seconds) + "," + number("cpuSeconds", cpu) + "," + number("heap", heap - idleHeap);
        if (idleRss > 0) {
            figures += "," + number("idleRss", idleRss) + "," + number("rss", rss - idleRss) + ","
                + number("peakRss", peakRss - idleRss);
        }
        answer(figures, number("endedAt", endedAt) + ",\"content\":{\"keys\":" + keys + ",\"checksum\":"
            + (checksum & 0xffffffffL) + "}");
    }

    /** Idle for a while, then with 1,000 writes a second: without their delays, as a GlobalKTable tells nobody of them. */
    private static void follow() throws Exception {
        ReadOnlyKeyValueStore<String, byte[]> table = open();
        Thread.sleep(1000);
        double cpu = cpuSeconds();
        long start = System.nanoTime();
        Thread.sleep((long) (Double.parseDouble(JOB.get("seconds")) * 1000));
        double idle = percent(cpu, start);
        Files.createFile(Path.of(JOB.get("ready")));
        while (table.get("live-000") == null) Thread.sleep(10);
        cpu = cpuSeconds();
        start = System.nanoTime();
        while (table.get("end") == null) Thread.sleep(10);
        answer(number("idleCpu", idle) + "," + number("liveCpu", percent(cpu, start)), null);
    }

    private static double percent(double cpuStart, long start) {
        return 100 * (cpuSeconds() - cpuStart) / ((System.nanoTime() - start) / 1e9);
    }

    private static double cpuSeconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime() / 1e9;
    }

    private static long heap() {
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    /** Bytes; 0 where the system does not say. */
    private static long memory(String name) throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) return 0;
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith(name + ":")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
        return 0;
    }

    private static String number(String name, double value) {
        return String.format(Locale.ROOT, "\"%s\":%.6f", name, value);
    }

    private static void answer(String figures, String more) {
        List<String> parts = new ArrayList<>();
        parts.add("\"runtime\":\"Kafka Streams " + AppInfoParser.getVersion() + ", Java " + Runtime.version() + "\"");
        parts.add("\"figures\":{" + figures + "}");
        if (more != null) parts.add(more);
        System.out.println("{" + String.join(",", parts) + "}");
    }
}
