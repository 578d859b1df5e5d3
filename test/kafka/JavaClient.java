import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.PreferredLeaderNotAvailableException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache Kafka's own clients behind a line protocol, as an independent witness for tests.
 *
 * One JSON object a line: {"id": 1, "op": "createTopic", ...} in, {"id": 1, "ok": ...} or {"id": 1, "error": {...}}
 * out. Long answers come as {"id": 1, "part": [...]} lines before the last one. Bytes are base64. Requests run
 * concurrently. The process ends with its input.
 *
 * Arguments: bootstrap servers, then key=value settings of all its clients.
 */
public final class JavaClient {
    private static final ObjectMapper json = new ObjectMapper();
    private static final int PART = 2_000;

    /** For what has to happen: less than who asks has. */
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private final PrintStream out;
    private final Map<String, Object> common = new HashMap<>();
    private final Admin admin;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new ConcurrentHashMap<>();
    private final Map<String, KafkaProducer<byte[], byte[]>> transactions = new ConcurrentHashMap<>();

    private JavaClient(String[] args, PrintStream out) {
        this.out = out;
        common.put("bootstrap.servers", args[0]);
        common.put("reconnect.backoff.max.ms", "250");
        for (int i = 1; i < args.length; i++) {
            int eq = args[i].indexOf('=');
            common.put(args[i].substring(0, eq), args[i].substring(eq + 1));
        }
        Map<String, Object> config = new HashMap<>(common);
        config.put("request.timeout.ms", "10000");
        config.put("default.api.timeout.ms", String.valueOf(PATIENCE.toMillis()));
        admin = Admin.create(config);
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8");
        System.setOut(System.err);
        JavaClient client = new JavaClient(args, out);
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 20);
        String line;
        while ((line = in.readLine()) != null) {
            JsonNode request = json.readTree(line);
            pool.execute(() -> client.answer(request));
        }
        // Neither open transactions nor unsent records hold up the end.
        Runtime.getRuntime().halt(0);
    }

    private void answer(JsonNode request) {
        ObjectNode response = json.createObjectNode();
        response.set("id", request.get("id"));
        try {
            response.set("ok", run(request.get("op").asText(), request));
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof ExecutionException && thrown.getCause() != null
                ? thrown.getCause() : thrown;
            ObjectNode error = response.putObject("error");
            error.put("exception", cause.getClass().getName());
            error.put("message", String.valueOf(cause.getMessage()));
        }
        write(response);
    }

    private void write(JsonNode line) {
        String text = line.toString();
        synchronized (out) {
            out.print(text);
            out.print('\n');
            out.flush();
        }
    }

    private JsonNode run(String op, JsonNode in) throws Exception {
        switch (op) {
            case "createTopic": return createTopic(in);
            case "deleteTopic": return deleteTopic(in);
            case "createPartitions": return createPartitions(in);
            case "describeTopic": return describeTopic(in);
            case "describeCluster": return describeCluster();
            case "listTopics": return json.valueToTree(new java.util.TreeSet<>(admin.listTopics().names().get()));
            case "deleteRecords": return deleteRecords(in);
            case "alterConfigs": return alterConfigs(in);
            case "describeConfigs": return describeConfigs(in);
            case "electLeaders": return electLeaders(in);
            case "reassign": return reassign(in);
            case "addAcls": return addAcls(in);
            case "removeAcls": return removeAcls(in);
            case "upsertScram": return upsertScram(in);
            case "deleteScram": return deleteScram(in);
            case "alterQuota": return alterQuota(in);
            case "listOffsets": return listOffsets(in);
            case "groupOffsets": return groupOffsets(in);
            case "produce": return produce(in);
            case "seed": return seed(in);
            case "txnOpen": return txnOpen(in);
            case "txnBegin": transaction(in).beginTransaction(); return json.nullNode();
            case "txnSend": return send(transaction(in), text(in, "topic"), in.get("records"));
            case "txnCommit": transaction(in).commitTransaction(); return json.nullNode();
            case "txnAbort": transaction(in).abortTransaction(); return json.nullNode();
            case "txnClose": return txnClose(in);
            case "dump": return dump(in);
            case "compact": return compact(in);
            case "partitionFor":
                return json.getNodeFactory().numberNode(
                    BuiltInPartitioner.partitionForKey(bytes(in.get("key")), in.get("partitions").asInt()));
            default: throw new IllegalArgumentException("no such operation: " + op);
        }
    }

    // ---- topics -------------------------------------------------------------------------------------------------

    private JsonNode createTopic(JsonNode in) throws Exception {
        String name = text(in, "topic");
        NewTopic topic;
        int partitions;
        if (in.hasNonNull("assignments")) {
            Map<Integer, List<Integer>> assignments = new HashMap<>();
            int partition = 0;
            for (JsonNode replicas : in.get("assignments")) assignments.put(partition++, ints(replicas));
            topic = new NewTopic(name, assignments);
            partitions = partition;
        } else {
            partitions = in.path("partitions").asInt(1);
            topic = new NewTopic(name,
                in.hasNonNull("partitions") ? Optional.of(in.get("partitions").asInt()) : Optional.empty(),
                in.hasNonNull("replicationFactor")
                    ? Optional.of((short) in.get("replicationFactor").asInt()) : Optional.empty());
        }
        topic.configs(strings(in.get("configs")));
        CreateTopicsResult result = admin.createTopics(List.of(topic));
        result.all().get();
        awaitLeaders(name, partitions);
        try {
            return json.getNodeFactory().textNode(result.topicId(name).get().toString());
        } catch (ExecutionException e) {
            // The answers of brokers before 2.4 tell nothing about what was created.
            if (!(e.getCause() instanceof UnsupportedVersionException)) throw e;
            return describeTopic(in).get("id");
        }
    }

    /** Until every broker knows the topic: the answer to its creation is older than their metadata. */
    private void awaitLeaders(String topic, int partitions) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        List<Admin> each = new ArrayList<>();
        try {
            for (Node node : admin.describeCluster().nodes().get()) {
                Map<String, Object> config = new HashMap<>(common);
                config.put("bootstrap.servers", node.host() + ":" + node.port());
                // Asked one by one only where there are several.
                each.add(each.isEmpty() ? admin : Admin.create(config));
            }
            for (Admin one : each) {
                while (true) {
                    try {
                        TopicDescription found = one.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
                        if (found.partitions().size() >= partitions
                            && found.partitions().stream().allMatch(p -> p.leader() != null)) break;
                    } catch (ExecutionException e) {
                        if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) throw e;
                    }
                    if (System.nanoTime() > deadline) throw new IllegalStateException("no leaders for " + topic);
                    Thread.sleep(20);
                }
            }
        } finally {
            for (Admin one : each) if (one != admin) one.close(Duration.ZERO);
        }
    }

    /** Returns once no broker lists the topic any more, and another one of its name could be created. */
    private JsonNode deleteTopic(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        admin.deleteTopics(List.of(topic)).all().get();
        while (admin.listTopics().names().get().contains(topic) || isNameTaken(topic)) Thread.sleep(20);
        return json.nullNode();
    }

    /** In ZooKeeper, a topic's name is the last of it to go. */
    private boolean isNameTaken(String topic) throws Exception {
        try {
            CreateTopicsOptions onlyAsked = new CreateTopicsOptions().validateOnly(true);
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)), onlyAsked).all().get();
            return false;
        } catch (ExecutionException e) {
            return e.getCause() instanceof TopicExistsException;
        }
    }

    private JsonNode createPartitions(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        int count = in.get("count").asInt();
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
        awaitLeaders(topic, count);
        return json.nullNode();
    }

    private JsonNode describeTopic(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        ObjectNode out = json.createObjectNode();
        out.put("id", found.topicId().toString());
        ArrayNode partitions = out.putArray("partitions");
        for (TopicPartitionInfo p : found.partitions()) {
            ObjectNode one = partitions.addObject();
            one.put("partition", p.partition());
            one.put("leader", p.leader() == null || p.leader().isEmpty() ? -1 : p.leader().id());
            // In the cluster's order: the first one is the preferred leader.
            ArrayNode replicas = one.putArray("replicas");
            for (Node node : p.replicas()) replicas.add(node.id());
            nodes(one.putArray("isr"), p.isr());
        }
        return out;
    }

    private JsonNode describeCluster() throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        ObjectNode out = json.createObjectNode();
        out.put("id", cluster.clusterId().get());
        out.put("controller", cluster.controller().get().id());
        nodes(out.putArray("nodes"), cluster.nodes().get());
        return out;
    }

    private JsonNode deleteRecords(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        Map<TopicPartition, RecordsToDelete> before = new HashMap<>();
        for (JsonNode one : in.get("before")) {
            before.put(new TopicPartition(topic, one.get("partition").asInt()),
                RecordsToDelete.beforeOffset(one.get("offset").asLong()));
        }
        ArrayNode out = json.createArrayNode();
        for (var entry : admin.deleteRecords(before).lowWatermarks().entrySet()) {
            out.addObject().put("partition", entry.getKey().partition())
                .put("offset", entry.getValue().get().lowWatermark());
        }
        return out;
    }

    private ConfigResource resource(JsonNode in) {
        return new ConfigResource(ConfigResource.Type.valueOf(text(in, "type")), text(in, "name"));
    }

    private JsonNode alterConfigs(JsonNode in) throws Exception {
        Collection<AlterConfigOp> ops = new ArrayList<>();
        strings(in.get("set")).forEach((key, value) ->
            ops.add(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
        for (JsonNode key : in.path("unset")) {
            ops.add(new AlterConfigOp(new ConfigEntry(key.asText(), null), AlterConfigOp.OpType.DELETE));
        }
        admin.incrementalAlterConfigs(Map.of(resource(in), ops)).all().get();
        return awaitShown(() -> {
            Config shown = admin.describeConfigs(List.of(resource(in))).all().get().get(resource(in));
            return ops.stream().allMatch(op -> isShown(op, shown.get(op.configEntry().name())));
        });
    }

    private static final Set<ConfigEntry.ConfigSource> SET_ON_IT = Set.of(
        ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG);

    private static boolean isShown(AlterConfigOp op, ConfigEntry shown) {
        if (op.opType() == AlterConfigOp.OpType.SET) {
            return shown != null && op.configEntry().value().equals(shown.value());
        }
        return shown == null || !SET_ON_IT.contains(shown.source());
    }

    /** The controller has answered before a broker goes by what was changed. */
    private JsonNode awaitShown(Callable<Boolean> isShown) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!isShown.call()) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("what was changed does not show");
            Thread.sleep(20);
        }
        return json.nullNode();
    }

    private JsonNode describeConfigs(JsonNode in) throws Exception {
        ConfigResource resource = resource(in);
        ObjectNode out = json.createObjectNode();
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            out.put(entry.name(), entry.value());
        }
        return out;
    }

    /** Waits until the leaders are elected and known: a preferred one that has just come back is not in sync yet. */
    private JsonNode electLeaders(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        Set<TopicPartition> partitions = new HashSet<>();
        for (JsonNode p : in.get("partitions")) partitions.add(new TopicPartition(topic, p.asInt()));
        boolean unclean = in.path("unclean").asBoolean();
        ElectionType type = unclean ? ElectionType.UNCLEAN : ElectionType.PREFERRED;
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            Throwable failure = null;
            for (Optional<Throwable> one : admin.electLeaders(type, partitions).partitions().get().values()) {
                if (one.isPresent() && !(one.get() instanceof ElectionNotNeededException)) failure = one.get();
            }
            if (failure != null && !(failure instanceof PreferredLeaderNotAvailableException)) {
                throw new ExecutionException(failure);
            }
            TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            boolean known = found.partitions().stream()
                .filter(p -> partitions.contains(new TopicPartition(topic, p.partition())))
                .allMatch(p -> p.leader() != null
                    && (unclean ? !p.leader().isEmpty() : p.leader().id() == p.replicas().get(0).id()));
            if (failure == null && known) return json.nullNode();
            if (System.nanoTime() > deadline) {
                throw failure != null ? new ExecutionException(failure)
                    : new java.util.concurrent.TimeoutException("the elected leaders of " + topic + " are not known");
            }
            Thread.sleep(50);
        }
    }

    /** Moves partitions to other replicas and waits until they are there. */
    private JsonNode reassign(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        Map<TopicPartition, Optional<NewPartitionReassignment>> moves = new HashMap<>();
        for (JsonNode one : in.get("moves")) {
            moves.put(new TopicPartition(topic, one.get("partition").asInt()),
                Optional.of(new NewPartitionReassignment(ints(one.get("replicas")))));
        }
        admin.alterPartitionReassignments(moves).all().get();
        while (!admin.listPartitionReassignments(moves.keySet()).reassignments().get().isEmpty()) Thread.sleep(50);
        return json.nullNode();
    }

    // ---- rights, users, quotas ----------------------------------------------------------------------------------

    private List<AclBinding> acls(JsonNode in) {
        List<AclBinding> acls = new ArrayList<>();
        for (JsonNode acl : in.get("acls")) {
            acls.add(new AclBinding(
                new ResourcePattern(ResourceType.fromString(text(acl, "resource")), text(acl, "name"),
                    PatternType.fromString(acl.path("pattern").asText("literal").toUpperCase())),
                new AccessControlEntry("User:" + text(acl, "user"), "*",
                    AclOperation.fromString(text(acl, "operation")),
                    AclPermissionType.fromString(acl.path("permission").asText("allow")))));
        }
        return acls;
    }

    private JsonNode addAcls(JsonNode in) throws Exception {
        List<AclBinding> acls = acls(in);
        admin.createAcls(acls).all().get();
        return awaitAcls(acls, true);
    }

    private JsonNode removeAcls(JsonNode in) throws Exception {
        List<AclBinding> acls = acls(in);
        List<org.apache.kafka.common.acl.AclBindingFilter> filters = new ArrayList<>();
        for (AclBinding acl : acls) filters.add(acl.toFilter());
        int removed = admin.deleteAcls(filters).all().get().size();
        awaitAcls(acls, false);
        return json.getNodeFactory().numberNode(removed);
    }

    private JsonNode awaitAcls(List<AclBinding> acls, boolean there) throws Exception {
        return awaitShown(() -> {
            for (AclBinding acl : acls) {
                if (admin.describeAcls(acl.toFilter()).values().get().isEmpty() == there) return false;
            }
            return true;
        });
    }

    private JsonNode upsertScram(JsonNode in) throws Exception {
        ScramMechanism mechanism = ScramMechanism.fromMechanismName(text(in, "mechanism"));
        // Another number of iterations than before tells a new password from the one that it replaces.
        int before = scramIterations(in);
        int iterations = before == 4096 ? 4097 : 4096;
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(
            text(in, "user"), new ScramCredentialInfo(mechanism, iterations), text(in, "password")))).all().get();
        return awaitShown(() -> scramIterations(in) == iterations);
    }

    private JsonNode deleteScram(JsonNode in) throws Exception {
        admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(
            text(in, "user"), ScramMechanism.fromMechanismName(text(in, "mechanism"))))).all().get();
        return awaitShown(() -> scramIterations(in) == 0);
    }

    /** Of what the user has for the mechanism; 0 if that is nothing. */
    private int scramIterations(JsonNode in) throws Exception {
        ScramMechanism mechanism = ScramMechanism.fromMechanismName(text(in, "mechanism"));
        try {
            for (ScramCredentialInfo info : admin.describeUserScramCredentials(List.of(text(in, "user")))
                .description(text(in, "user")).get().credentialInfos()) {
                if (info.mechanism() == mechanism) return info.iterations();
            }
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof ResourceNotFoundException)) throw e;
        }
        return 0;
    }

    /** Entity types are "user", "client-id" and "ip"; a null name is the default entity, a null value removes. */
    private JsonNode alterQuota(JsonNode in) throws Exception {
        Map<String, String> names = new HashMap<>();
        in.get("entity").properties().forEach(e ->
            names.put(e.getKey(), e.getValue().isNull() ? null : e.getValue().asText()));
        ClientQuotaEntity entity = new ClientQuotaEntity(names);
        List<ClientQuotaAlteration.Op> ops = new ArrayList<>();
        in.get("quota").properties().forEach(e ->
            ops.add(new ClientQuotaAlteration.Op(e.getKey(), e.getValue().isNull() ? null : e.getValue().asDouble())));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, ops))).all().get();
        return awaitShown(() -> {
            Map<String, Double> shown = admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get()
                .getOrDefault(entity, Map.of());
            return ops.stream().allMatch(op -> Objects.equals(op.value(), shown.get(op.key())));
        });
    }

    // ---- offsets ------------------------------------------------------------------------------------------------

    private List<TopicPartition> partitionsOf(String topic) throws Exception {
        List<TopicPartition> out = new ArrayList<>();
        TopicDescription found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        for (TopicPartitionInfo p : found.partitions()) {
            out.add(new TopicPartition(topic, p.partition()));
        }
        return out;
    }

    private Map<TopicPartition, Long> offsets(Collection<TopicPartition> partitions, OffsetSpec spec, boolean committed)
        throws Exception {
        Map<TopicPartition, OffsetSpec> specs = new HashMap<>();
        for (TopicPartition p : partitions) specs.put(p, spec);
        IsolationLevel isolation = committed ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
        Map<TopicPartition, Long> out = new HashMap<>();
        for (var entry : admin.listOffsets(specs, new ListOffsetsOptions(isolation)).all().get().entrySet()) {
            out.put(entry.getKey(), entry.getValue().offset());
        }
        return out;
    }

    private JsonNode listOffsets(JsonNode in) throws Exception {
        String at = in.path("at").asText("latest");
        OffsetSpec spec = at.equals("latest") ? OffsetSpec.latest()
            : at.equals("earliest") ? OffsetSpec.earliest() : OffsetSpec.forTimestamp(Long.parseLong(at));
        ArrayNode out = json.createArrayNode();
        offsets(partitionsOf(text(in, "topic")), spec, in.path("committed").asBoolean()).entrySet().stream()
            .sorted(java.util.Comparator.comparingInt(e -> e.getKey().partition()))
            .forEach(e -> out.addObject().put("partition", e.getKey().partition()).put("offset", e.getValue()));
        return out;
    }

    private JsonNode groupOffsets(JsonNode in) throws Exception {
        ArrayNode out = json.createArrayNode();
        Map<TopicPartition, OffsetAndMetadata> found =
            admin.listConsumerGroupOffsets(text(in, "group")).partitionsToOffsetAndMetadata().get();
        found.forEach((tp, at) -> {
            if (at != null) {
                out.addObject().put("topic", tp.topic()).put("partition", tp.partition()).put("offset", at.offset());
            }
        });
        return out;
    }

    // ---- records ------------------------------------------------------------------------------------------------

    private KafkaProducer<byte[], byte[]> producer(Map<String, String> overrides) {
        Map<String, Object> config = new HashMap<>(common);
        config.put("max.block.ms", String.valueOf(PATIENCE.toMillis()));
        config.put("request.timeout.ms", "10000");
        config.put("delivery.timeout.ms", String.valueOf(PATIENCE.toMillis()));
        // What one call sends shares batches, so that compression has something to work on.
        config.put("linger.ms", "20");
        config.put("batch.size", "262144");
        // With more in flight, a first batch that a new topic's broker refuses may leave the sequences of the others
        // wrong until all of them expire.
        config.put("max.in.flight.requests.per.connection", "1");
        config.putAll(overrides);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private JsonNode produce(JsonNode in) throws Exception {
        Map<String, String> config = strings(in.get("config"));
        KafkaProducer<byte[], byte[]> producer =
            producers.computeIfAbsent(new java.util.TreeMap<>(config).toString(), key -> producer(config));
        return send(producer, text(in, "topic"), in.get("records"));
    }

    private JsonNode send(KafkaProducer<byte[], byte[]> producer, String topic, JsonNode records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode r : records) {
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic,
                r.hasNonNull("partition") ? r.get("partition").asInt() : null,
                r.hasNonNull("timestamp") ? r.get("timestamp").asLong() : null,
                bytes(r.get("key")), bytes(r.get("value")));
            for (JsonNode header : r.path("headers")) {
                record.headers().add(text(header, "key"), bytes(header.get("value")));
            }
            sent.add(producer.send(record));
        }
        producer.flush();
        ArrayNode out = json.createArrayNode();
        for (Future<RecordMetadata> one : sent) {
            RecordMetadata at = one.get();
            out.addObject().put("partition", at.partition()).put("offset", at.hasOffset() ? at.offset() : -1)
                .put("timestamp", at.timestamp());
        }
        return out;
    }

    /** Many records made here rather than sent line by line: keys "key-0000000"…, values of JSON of a given length. */
    private JsonNode seed(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        int count = in.get("count").asInt();
        int from = in.path("from").asInt(0);
        int keys = in.path("keys").asInt(Integer.MAX_VALUE);
        int length = in.path("valueBytes").asInt(100);
        Map<String, String> config = strings(in.get("config"));
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
            for (int i = from; i < from + count; i++) {
                String start = "{\"n\":" + i + ",\"pad\":\"";
                String value = start + "x".repeat(Math.max(0, length - start.length() - 2)) + "\"}";
                byte[] key = String.format("key-%07d", i % keys).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, key, value.getBytes(StandardCharsets.UTF_8)),
                    (at, failure) -> { if (failure != null) failures.add(failure); });
            }
            producer.flush();
        }
        if (!failures.isEmpty()) throw new ExecutionException(failures.get(0));
        return json.nullNode();
    }

    private JsonNode txnOpen(JsonNode in) {
        Map<String, String> config = new HashMap<>(strings(in.get("config")));
        String id = text(in, "transactionalId");
        config.put("transactional.id", id);
        KafkaProducer<byte[], byte[]> producer = producer(config);
        try {
            producer.initTransactions();
        } catch (RuntimeException e) {
            producer.close(Duration.ZERO);
            throw e;
        }
        transactions.put(id, producer);
        return json.nullNode();
    }

    private KafkaProducer<byte[], byte[]> transaction(JsonNode in) {
        KafkaProducer<byte[], byte[]> found = transactions.get(text(in, "transactionalId"));
        if (found == null) throw new IllegalStateException("no such transactional producer: " + in);
        return found;
    }

    /** Neither commits nor aborts: what is open stays open until the broker's transaction timeout. */
    private JsonNode txnClose(JsonNode in) {
        KafkaProducer<byte[], byte[]> found = transactions.remove(text(in, "transactionalId"));
        if (found != null) found.close(Duration.ZERO);
        return json.nullNode();
    }

    private interface Visit {
        void record(ConsumerRecord<byte[], byte[]> record) throws Exception;
    }

    /** Every record from the beginning up to the end as it is now. */
    private void read(String topic, Collection<TopicPartition> partitions, boolean committed, Visit visit)
        throws Exception {
        Map<TopicPartition, Long> ends = offsets(partitions, OffsetSpec.latest(), committed);
        Map<String, Object> config = new HashMap<>(common);
        config.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
        config.put("enable.auto.commit", "false");
        config.put("allow.auto.create.topics", "false");
        config.put("auto.offset.reset", "earliest");
        config.put("max.poll.records", "10000");
        config.put("fetch.max.wait.ms", "100");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Set<TopicPartition> left = new HashSet<>(partitions);
            long idle = System.nanoTime();
            while (true) {
                // By position, not by record: compaction and transactions leave nothing to read at the end.
                left.removeIf(p -> consumer.position(p) >= ends.get(p));
                if (left.isEmpty()) return;
                boolean some = false;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    some = true;
                    if (record.offset() < ends.get(new TopicPartition(topic, record.partition()))) visit.record(record);
                }
                if (some) idle = System.nanoTime();
                else if (System.nanoTime() - idle > PATIENCE.toNanos()) {
                    throw new IllegalStateException("nothing to read any more, short of the end of " + left);
                }
            }
        }
    }

    private JsonNode dump(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        List<TopicPartition> partitions = partitionsOf(topic);
        if (in.hasNonNull("partition")) partitions.removeIf(p -> p.partition() != in.get("partition").asInt());
        ArrayNode[] part = { json.createArrayNode() };
        read(topic, partitions, in.path("committed").asBoolean(), record -> {
            ObjectNode one = part[0].addObject();
            one.put("partition", record.partition());
            one.put("offset", record.offset());
            one.put("timestamp", record.timestamp());
            one.put("timestampType", record.timestampType().name);
            one.put("key", record.key());
            one.put("value", record.value());
            ArrayNode headers = one.putArray("headers");
            for (Header header : record.headers()) {
                headers.addObject().put("key", header.key()).put("value", header.value());
            }
            if (part[0].size() == PART) {
                flush(in, part[0]);
                part[0] = json.createArrayNode();
            }
        });
        flush(in, part[0]);
        return json.nullNode();
    }

    private void flush(JsonNode in, ArrayNode part) {
        ObjectNode line = json.createObjectNode();
        line.set("id", in.get("id"));
        line.set("part", part);
        write(line);
    }

    /**
     * Has the cleaner compact everything that is in the topic now.
     *
     * The segment that is being written is never compacted, and a new one only begins with a record. So the topic,
     * which must have a `segment.ms` of 1, gets a tombstone for a key of its own in every partition, again and again
     * until what lies before them holds each key once. With `dropTombstones`, until no tombstone is left there either
     * (wants a `delete.retention.ms` of about 0).
     */
    private JsonNode compact(JsonNode in) throws Exception {
        String topic = text(in, "topic");
        byte[] nudge = bytes(in.get("nudgeKey"));
        boolean dropTombstones = in.path("dropTombstones").asBoolean();
        long deadline = System.nanoTime() + Duration.ofMillis(in.path("timeout").asLong(30_000)).toNanos();
        List<TopicPartition> partitions = partitionsOf(topic);
        Map<TopicPartition, Long> ends = offsets(partitions, OffsetSpec.latest(), false);
        KafkaProducer<byte[], byte[]> producer = producers.computeIfAbsent("nudge", key -> producer(Map.of()));
        while (true) {
            Thread.sleep(5);
            for (TopicPartition p : partitions) {
                producer.send(new ProducerRecord<>(topic, p.partition(), nudge, null));
            }
            producer.flush();
            for (int look = 0; look < 4; look++) {
                Thread.sleep(250);
                boolean[] clean = { true };
                Map<Integer, Set<String>> seen = new HashMap<>();
                read(topic, partitions, false, record -> {
                    if (record.offset() >= ends.get(new TopicPartition(topic, record.partition()))) return;
                    if (java.util.Arrays.equals(record.key(), nudge)) return;
                    String key = Base64.getEncoder().encodeToString(record.key());
                    if (!seen.computeIfAbsent(record.partition(), k -> new HashSet<>()).add(key)
                        || dropTombstones && record.value() == null) clean[0] = false;
                });
                if (clean[0]) return json.nullNode();
            }
            if (System.nanoTime() > deadline) {
                throw new java.util.concurrent.TimeoutException("topic " + topic + " was not compacted in time");
            }
        }
    }

    // ---- JSON ---------------------------------------------------------------------------------------------------

    private static String text(JsonNode in, String field) {
        JsonNode found = in.get(field);
        if (found == null || found.isNull()) throw new IllegalArgumentException("\"" + field + "\" is missing");
        return found.asText();
    }

    private static byte[] bytes(JsonNode in) {
        return in == null || in.isNull() ? null : Base64.getDecoder().decode(in.asText());
    }

    private static List<Integer> ints(JsonNode in) {
        List<Integer> out = new ArrayList<>();
        for (JsonNode one : in) out.add(one.asInt());
        return out;
    }

    private static Map<String, String> strings(JsonNode in) {
        Map<String, String> out = new HashMap<>();
        if (in != null) in.properties().forEach(e -> out.put(e.getKey(), e.getValue().asText()));
        return out;
    }

    private static void nodes(ArrayNode out, Collection<Node> nodes) {
        nodes.stream().mapToInt(Node::id).sorted().forEach(out::add);
    }
}
