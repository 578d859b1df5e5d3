import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Members of consumer groups by Java's KafkaConsumer, one thread each. The lines are those of ForeignMembers.ts. The process
 * ends with its input.
 */
public final class Members {
    private static final ObjectMapper json = new ObjectMapper();
    private static final Set<String> closing = ConcurrentHashMap.newKeySet();
    private static PrintStream out;

    public static void main(String[] args) throws Exception {
        out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, "UTF-8");
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line;
        while ((line = in.readLine()) != null) {
            JsonNode request = json.readTree(line);
            String name = request.get("name").asText();
            if (request.get("op").asText().equals("close")) closing.add(name);
            else new Thread(() -> run(name, request)).start();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void tell(Map<String, Object> line) {
        synchronized (out) {
            try {
                out.println(json.writeValueAsString(line));
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        }
    }

    private static void run(String name, JsonNode request) {
        Map<String, Object> config = new ConcurrentHashMap<>();
        request.get("config").fields().forEachRemaining(one -> config.put(one.getKey(), one.getValue().asText()));
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(request.get("topic").asText()));
            Set<Integer> told = null;
            while (!closing.contains(name)) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                    tell(Map.of("name", name, "value", record.value()));
                }
                Set<Integer> owned = consumer.assignment().stream().map(one -> one.partition())
                    .collect(Collectors.toCollection(TreeSet::new));
                if (owned.equals(told)) continue;
                told = owned;
                tell(Map.of("name", name, "owned", owned));
            }
        } catch (Exception error) {
            tell(Map.of("name", name, "error", error.toString()));
            return;
        }
        tell(Map.of("name", name, "closed", true));
    }
}
