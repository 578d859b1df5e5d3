/*
 * Writes fixtures.json: requests and responses as Kafka's own classes encode them.
 *
 *   java -cp "<kafka>/libs/*" Fixtures.java > fixtures.json && npx prettier --write fixtures.json
 *
 * Made with Kafka 4.1. The bytes are what follows the client id of a request and the correlation id of a response: the
 * end of the header, if it has one in that version, then the message. The same data is in protocol.test.ts.
 */

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.IntFunction;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;

public class Fixtures {
  static final String CLIENT = "client";
  static final Uuid ID = Uuid.fromString("AbCdEfGhIjKlMnOpQrSt_A");
  static final Uuid OTHER_ID = Uuid.fromString("zzzzzzzzzzzzzzzzzzzz-w");
  static final String TOPIC = "größe";

  record Case(String api, int version, String name, ApiMessage request, ApiMessage response) {}

  static final List<Case> cases = new ArrayList<>();

  static void add(String api, int min, int max, String name, IntFunction<ApiMessage> request, IntFunction<ApiMessage> response) {
    for (int v = min; v <= max; v++) cases.add(new Case(api, v, name, request.apply(v), response.apply(v)));
  }

  static byte[] bytes(Message message, int version) {
    ObjectSerializationCache cache = new ObjectSerializationCache();
    int size = message.size(cache, (short) version);
    ByteBuffer buffer = ByteBuffer.allocate(size);
    message.write(new ByteBufferAccessor(buffer), cache, (short) version);
    if (buffer.hasRemaining()) throw new IllegalStateException("short");
    return buffer.array();
  }

  static String hex(byte[] header, int skip, byte[] body) {
    HexFormat f = HexFormat.of();
    return f.formatHex(header, skip, header.length) + f.formatHex(body);
  }

  static byte[] records(String value) {
    MemoryRecords r = MemoryRecords.withRecords(
        Compression.NONE,
        new SimpleRecord(1_700_000_000_000L, "k".getBytes(StandardCharsets.UTF_8), value.getBytes(StandardCharsets.UTF_8)));
    ByteBuffer b = r.buffer();
    byte[] out = new byte[b.remaining()];
    b.duplicate().get(out);
    return out;
  }

  static MemoryRecords raw(byte[] bytes) {
    return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
  }

  /** Fields of a future version: a small one, and one with a tag and a size of two bytes each. */
  static void future(Message message) {
    message.unknownTaggedFields().add(new RawTaggedField(99, new byte[] {1, 2, 3}));
    message.unknownTaggedFields().add(new RawTaggedField(1000, new byte[130]));
  }

  // ------------------------------------------------------------------------------------------------------- Metadata

  static ApiMessage metadataRequest(int v, String... topics) {
    MetadataRequestData d = new MetadataRequestData().setAllowAutoTopicCreation(false);
    for (String t : topics) d.topics().add(new MetadataRequestData.MetadataRequestTopic().setName(t));
    return d;
  }

  static MetadataResponseData.MetadataResponsePartition partition(int error, int index, int leader, int epoch) {
    return new MetadataResponseData.MetadataResponsePartition()
        .setErrorCode((short) error).setPartitionIndex(index).setLeaderId(leader).setLeaderEpoch(epoch)
        .setReplicaNodes(List.of(1, 2)).setIsrNodes(List.of(2)).setOfflineReplicas(List.of(1));
  }

  static MetadataResponseData metadataResponse(int v) {
    MetadataResponseData d = new MetadataResponseData().setThrottleTimeMs(7).setClusterId("cluster").setControllerId(2);
    d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(1).setHost("kafka-1.example").setPort(9092));
    d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(2).setHost("::1").setPort(65535).setRack("r"));
    MetadataResponseData.MetadataResponseTopic t = new MetadataResponseData.MetadataResponseTopic()
        .setName(TOPIC).setTopicId(ID);
    if (v >= 8) t.setTopicAuthorizedOperations(5);
    t.partitions().add(partition(0, 2, 1, 11));
    t.partitions().add(partition(5, 0, -1, -1));
    t.partitions().add(partition(9, 1, 2, 12));
    d.topics().add(t);
    d.topics().add(new MetadataResponseData.MetadataResponseTopic().setName("other").setTopicId(OTHER_ID)
        .setPartitions(new ArrayList<>(List.of(partition(0, 0, 1, 0)))));
    d.topics().add(new MetadataResponseData.MetadataResponseTopic().setName("missing").setErrorCode((short) 3));
    if (v >= 12) d.topics().add(new MetadataResponseData.MetadataResponseTopic().setName(null).setTopicId(OTHER_ID).setErrorCode((short) 100));
    return d;
  }

  static MetadataResponseData metadataFuture(int v) {
    MetadataResponseData d = metadataResponse(v);
    future(d);
    d.brokers().forEach(Fixtures::future);
    d.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); });
    return d;
  }

  // ---------------------------------------------------------------------------------------------------- ListOffsets

  static ListOffsetsRequestData.ListOffsetsPartition asked(int partition, int epoch, long timestamp) {
    return new ListOffsetsRequestData.ListOffsetsPartition()
        .setPartitionIndex(partition).setCurrentLeaderEpoch(epoch).setTimestamp(timestamp);
  }

  static ApiMessage listOffsetsRequest(int isolation, ListOffsetsRequestData.ListOffsetsPartition... partitions) {
    return new ListOffsetsRequestData().setReplicaId(-1).setIsolationLevel((byte) isolation).setTopics(List.of(
        new ListOffsetsRequestData.ListOffsetsTopic().setName(TOPIC).setPartitions(List.of(partitions))));
  }

  static ListOffsetsResponseData.ListOffsetsPartitionResponse listed(int partition, int error, long offset, int epoch) {
    return new ListOffsetsResponseData.ListOffsetsPartitionResponse().setPartitionIndex(partition)
        .setErrorCode((short) error).setTimestamp(1_700_000_000_000L).setOffset(offset).setLeaderEpoch(epoch);
  }

  static ListOffsetsResponseData listOffsetsResponse() {
    return new ListOffsetsResponseData().setThrottleTimeMs(1).setTopics(new ArrayList<>(List.of(
        new ListOffsetsResponseData.ListOffsetsTopicResponse().setName("other").setPartitions(List.of(listed(0, 0, 1, 1))),
        new ListOffsetsResponseData.ListOffsetsTopicResponse().setName(TOPIC).setPartitions(List.of(
            listed(3, 0, 9007199254740991L, 4), listed(0, 6, -1, -1), listed(7, 0, 5, 5))))));
  }

  static ListOffsetsResponseData listOffsetsFuture() {
    ListOffsetsResponseData d = listOffsetsResponse();
    future(d);
    d.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); });
    return d;
  }

  // ---------------------------------------------------------------------------------------------------------- Fetch

  static ApiMessage fetchRequest(int v) {
    FetchRequestData.FetchTopic t = new FetchRequestData.FetchTopic().setTopic(TOPIC).setTopicId(ID).setPartitions(List.of(
        new FetchRequestData.FetchPartition().setPartition(0).setCurrentLeaderEpoch(3).setFetchOffset(4294967296123L)
            .setLastFetchedEpoch(v >= 12 ? 2 : -1).setPartitionMaxBytes(1048576),
        new FetchRequestData.FetchPartition().setPartition(5).setFetchOffset(0).setPartitionMaxBytes(1)));
    return new FetchRequestData().setMaxWaitMs(500).setMinBytes(1).setMaxBytes(52428800).setIsolationLevel((byte) 1)
        .setTopics(List.of(t));
  }

  static FetchResponseData fetchResponse(int v) {
    FetchResponseData.PartitionData zero = new FetchResponseData.PartitionData().setPartitionIndex(0)
        .setHighWatermark(4294967296200L).setLastStableOffset(4294967296190L).setLogStartOffset(17)
        .setAbortedTransactions(List.of(
            new FetchResponseData.AbortedTransaction().setProducerId(Long.MAX_VALUE).setFirstOffset(4294967296124L),
            new FetchResponseData.AbortedTransaction().setProducerId(2).setFirstOffset(4294967296130L)))
        .setRecords(raw(records("v")));
    FetchResponseData.PartitionData five = new FetchResponseData.PartitionData().setPartitionIndex(5)
        .setErrorCode((short) 74).setHighWatermark(-1).setAbortedTransactions(null).setRecords(null);
    if (v >= 12) {
      five.setDivergingEpoch(new FetchResponseData.EpochEndOffset().setEpoch(1).setEndOffset(40));
      five.setCurrentLeader(new FetchResponseData.LeaderIdAndEpoch().setLeaderId(2).setLeaderEpoch(9));
      zero.setCurrentLeader(new FetchResponseData.LeaderIdAndEpoch().setLeaderId(2).setLeaderEpoch(9));
      zero.setSnapshotId(new FetchResponseData.SnapshotId().setEndOffset(3).setEpoch(2));
    }
    FetchResponseData.PartitionData notAsked = new FetchResponseData.PartitionData().setPartitionIndex(6)
        .setRecords(raw(records("not asked")));
    FetchResponseData.PartitionData elsewhere = new FetchResponseData.PartitionData().setPartitionIndex(0)
        .setRecords(raw(records("elsewhere")));
    return new FetchResponseData().setThrottleTimeMs(30).setSessionId(0).setResponses(new ArrayList<>(List.of(
        new FetchResponseData.FetchableTopicResponse().setTopic("other").setTopicId(OTHER_ID).setPartitions(List.of(elsewhere)),
        new FetchResponseData.FetchableTopicResponse().setTopic(TOPIC).setTopicId(ID).setPartitions(List.of(zero, five, notAsked)))));
  }

  static FetchResponseData fetchFuture(int v) {
    FetchResponseData d = fetchResponse(v);
    future(d);
    d.responses().forEach(t -> {
      future(t);
      t.partitions().forEach(p -> {
        future(p);
        if (p.partitionIndex() == 5) future(p.divergingEpoch());
        if (p.abortedTransactions() != null) p.abortedTransactions().forEach(Fixtures::future);
      });
    });
    return d;
  }

  // -------------------------------------------------------------------------------------------------------- Produce

  static ApiMessage produceRequest(int acks) {
    ProduceRequestData.TopicProduceDataCollection topics = new ProduceRequestData.TopicProduceDataCollection();
    topics.add(new ProduceRequestData.TopicProduceData().setName(TOPIC).setPartitionData(List.of(
        new ProduceRequestData.PartitionProduceData().setIndex(0).setRecords(raw(records("v"))),
        new ProduceRequestData.PartitionProduceData().setIndex(4).setRecords(raw(records("w".repeat(300)))))));
    return new ProduceRequestData().setTransactionalId(null).setAcks((short) acks).setTimeoutMs(1500).setTopicData(topics);
  }

  static ProduceResponseData produceResponse(int v) {
    ProduceResponseData.PartitionProduceResponse four = new ProduceResponseData.PartitionProduceResponse()
        .setIndex(4).setErrorCode((short) 87).setBaseOffset(-1);
    ProduceResponseData.PartitionProduceResponse five = new ProduceResponseData.PartitionProduceResponse()
        .setIndex(5).setErrorCode((short) 10).setBaseOffset(-1);
    if (v >= 8) {
      four.setErrorMessage("One or more records have been rejected").setRecordErrors(List.of(
          new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(0).setBatchIndexErrorMessage("no key")));
      five.setRecordErrors(List.of(
          new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(0).setBatchIndexErrorMessage(null),
          new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(1).setBatchIndexErrorMessage("too large")));
    }
    ProduceResponseData.TopicProduceResponseCollection topics = new ProduceResponseData.TopicProduceResponseCollection();
    topics.add(new ProduceResponseData.TopicProduceResponse().setName("other").setPartitionResponses(List.of(
        new ProduceResponseData.PartitionProduceResponse().setIndex(0).setBaseOffset(1))));
    topics.add(new ProduceResponseData.TopicProduceResponse().setName(TOPIC).setPartitionResponses(List.of(
        new ProduceResponseData.PartitionProduceResponse().setIndex(0).setBaseOffset(4294967296200L)
            .setLogAppendTimeMs(Long.MAX_VALUE).setLogStartOffset(3), four, five)));
    return new ProduceResponseData().setThrottleTimeMs(12).setResponses(topics);
  }

  static ProduceResponseData produceFuture(int v) {
    ProduceResponseData d = produceResponse(v);
    future(d);
    d.responses().forEach(t -> {
      future(t);
      t.partitionResponses().forEach(p -> { future(p); p.recordErrors().forEach(Fixtures::future); });
    });
    return d;
  }

  // -------------------------------------------------------------------------------------------------------- the rest

  static ApiMessage initProducerIdRequest() {
    return new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(Integer.MAX_VALUE);
  }

  static InitProducerIdResponseData initProducerIdResponse() {
    return new InitProducerIdResponseData().setThrottleTimeMs(1).setProducerId(9223372036854775806L).setProducerEpoch((short) 7);
  }

  static ApiMessage createTopicsRequest(String topic, int partitions, int replicas, String... configs) {
    CreateTopicsRequestData.CreatableTopic t = new CreateTopicsRequestData.CreatableTopic()
        .setName(topic).setNumPartitions(partitions).setReplicationFactor((short) replicas);
    for (int i = 0; i < configs.length; i += 2) {
      t.configs().add(new CreateTopicsRequestData.CreatableTopicConfig().setName(configs[i]).setValue(configs[i + 1]));
    }
    CreateTopicsRequestData d = new CreateTopicsRequestData().setTimeoutMs(2000).setValidateOnly(false);
    d.topics().add(t);
    return d;
  }

  static CreateTopicsResponseData createTopicsResponse(int v, int error, String message) {
    CreateTopicsResponseData d = new CreateTopicsResponseData().setThrottleTimeMs(3);
    CreateTopicsResponseData.CreatableTopicResult other =
        new CreateTopicsResponseData.CreatableTopicResult().setName("other").setErrorCode((short) 17);
    CreateTopicsResponseData.CreatableTopicResult t = new CreateTopicsResponseData.CreatableTopicResult()
        .setName(TOPIC).setErrorCode((short) error).setErrorMessage(message);
    if (v >= 5) {
      other.setConfigs(null).setTopicConfigErrorCode((short) 29);
      t.setNumPartitions(3).setReplicationFactor((short) 1).setConfigs(List.of(
          new CreateTopicsResponseData.CreatableTopicConfigs().setName("cleanup.policy").setValue("compact").setConfigSource((byte) 1),
          new CreateTopicsResponseData.CreatableTopicConfigs().setName("secret").setValue(null).setIsSensitive(true)));
    }
    d.topics().add(other);
    d.topics().add(t);
    return d;
  }

  static CreateTopicsResponseData createTopicsFuture(int v) {
    CreateTopicsResponseData d = createTopicsResponse(v, 0, null);
    future(d);
    d.topics().forEach(t -> { future(t); if (t.configs() != null) t.configs().forEach(Fixtures::future); });
    return d;
  }

  static ApiMessage describeConfigsRequest() {
    return new DescribeConfigsRequestData().setResources(List.of(new DescribeConfigsRequestData.DescribeConfigsResource()
        .setResourceType((byte) 2).setResourceName(TOPIC).setConfigurationKeys(null)));
  }

  static DescribeConfigsResponseData.DescribeConfigsResourceResult config(int v, String name, String value, int source) {
    DescribeConfigsResponseData.DescribeConfigsResourceResult c = new DescribeConfigsResponseData.DescribeConfigsResourceResult()
        .setName(name).setValue(value).setConfigSource((byte) source).setIsSensitive(value == null).setSynonyms(List.of(
            new DescribeConfigsResponseData.DescribeConfigsSynonym().setName("log." + name).setValue(null).setSource((byte) 5)));
    if (v >= 3) c.setConfigType((byte) 7).setDocumentation(value == null ? null : "what it does");
    return c;
  }

  static DescribeConfigsResponseData describeConfigsResponse(int v) {
    return new DescribeConfigsResponseData().setThrottleTimeMs(3).setResults(new ArrayList<>(List.of(
        new DescribeConfigsResponseData.DescribeConfigsResult().setResourceType((byte) 4).setResourceName(TOPIC)
            .setConfigs(List.of(config(v, "of a broker", "1", 4))),
        new DescribeConfigsResponseData.DescribeConfigsResult().setResourceType((byte) 2).setResourceName(TOPIC).setConfigs(List.of(
            config(v, "cleanup.policy", "compact", 1), config(v, "retention.ms", "604800000", 5), config(v, "secret", null, 1))))));
  }

  static DescribeConfigsResponseData describeConfigsError() {
    return new DescribeConfigsResponseData().setResults(List.of(new DescribeConfigsResponseData.DescribeConfigsResult()
        .setResourceType((byte) 2).setResourceName(TOPIC).setErrorCode((short) 29).setErrorMessage("not yours")));
  }

  static DescribeConfigsResponseData describeConfigsFuture(int v) {
    DescribeConfigsResponseData d = describeConfigsResponse(v);
    future(d);
    d.results().forEach(r -> {
      future(r);
      r.configs().forEach(c -> { future(c); c.synonyms().forEach(Fixtures::future); });
    });
    return d;
  }

  static ApiMessage alterRequest() {
    IncrementalAlterConfigsRequestData.AlterConfigsResource r = new IncrementalAlterConfigsRequestData.AlterConfigsResource()
        .setResourceType((byte) 2).setResourceName(TOPIC);
    r.configs().add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName("cleanup.policy").setConfigOperation((byte) 0).setValue("compact"));
    r.configs().add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName("retention.ms").setConfigOperation((byte) 0).setValue("-1"));
    IncrementalAlterConfigsRequestData d = new IncrementalAlterConfigsRequestData().setValidateOnly(false);
    d.resources().add(r);
    return d;
  }

  static IncrementalAlterConfigsResponseData alterResponse(int error, String message) {
    return new IncrementalAlterConfigsResponseData().setThrottleTimeMs(1).setResponses(new ArrayList<>(List.of(
        new IncrementalAlterConfigsResponseData.AlterConfigsResourceResponse().setResourceType((byte) 4).setResourceName(TOPIC),
        new IncrementalAlterConfigsResponseData.AlterConfigsResourceResponse().setResourceType((byte) 2).setResourceName(TOPIC)
            .setErrorCode((short) error).setErrorMessage(message))));
  }

  static IncrementalAlterConfigsResponseData alterFuture() {
    IncrementalAlterConfigsResponseData d = alterResponse(0, null);
    future(d);
    d.responses().forEach(Fixtures::future);
    return d;
  }

  static <T extends Message> T with(T message) {
    future(message);
    return message;
  }

  // -----------------------------------------------------------------------------------------------------------------

  public static void main(String[] args) {
    add("Metadata", 7, 12, "plain", v -> metadataRequest(v, TOPIC, "missing"), Fixtures::metadataResponse);
    add("Metadata", 7, 12, "empty", v -> metadataRequest(v), v -> new MetadataResponseData());
    add("Metadata", 9, 12, "future", v -> metadataRequest(v, TOPIC, "missing"), Fixtures::metadataFuture);

    add("ListOffsets", 4, 7, "plain", v -> listOffsetsRequest(1, asked(0, 5, -2), asked(3, -1, -1)), v -> listOffsetsResponse());
    add("ListOffsets", 4, 7, "empty", v -> listOffsetsRequest(0, asked(0, 5, 1_700_000_000_000L)), v -> new ListOffsetsResponseData());
    add("ListOffsets", 6, 7, "future", v -> listOffsetsRequest(1, asked(0, 5, -2), asked(3, -1, -1)), v -> listOffsetsFuture());

    add("Fetch", 9, 13, "plain", Fixtures::fetchRequest, Fixtures::fetchResponse);
    add("Fetch", 9, 13, "empty", Fixtures::fetchRequest, v -> new FetchResponseData().setErrorCode((short) 333).setThrottleTimeMs(5));
    add("Fetch", 12, 13, "future", Fixtures::fetchRequest, Fixtures::fetchFuture);

    add("Produce", 7, 9, "plain", v -> produceRequest(-1), Fixtures::produceResponse);
    add("Produce", 7, 9, "empty", v -> produceRequest(1), v -> new ProduceResponseData());
    add("Produce", 9, 9, "future", v -> produceRequest(-1), Fixtures::produceFuture);

    add("InitProducerId", 1, 4, "plain", v -> initProducerIdRequest(), v -> initProducerIdResponse());
    add("InitProducerId", 1, 4, "error", v -> initProducerIdRequest(),
        v -> new InitProducerIdResponseData().setErrorCode((short) 14).setProducerEpoch((short) -1));
    add("InitProducerId", 2, 4, "future", v -> initProducerIdRequest(), v -> with(initProducerIdResponse()));

    add("CreateTopics", 2, 5, "plain", v -> createTopicsRequest(TOPIC, 3, 2, "cleanup.policy", "compact", "retention.ms", "-1"),
        v -> createTopicsResponse(v, 0, null));
    add("CreateTopics", 2, 5, "error", v -> createTopicsRequest(TOPIC, -1, -1), v -> createTopicsResponse(v, 36, "there already"));
    add("CreateTopics", 5, 5, "future", v -> createTopicsRequest(TOPIC, -1, -1), Fixtures::createTopicsFuture);

    add("DescribeConfigs", 1, 4, "plain", v -> describeConfigsRequest(), Fixtures::describeConfigsResponse);
    add("DescribeConfigs", 1, 4, "error", v -> describeConfigsRequest(), v -> describeConfigsError());
    add("DescribeConfigs", 4, 4, "future", v -> describeConfigsRequest(), Fixtures::describeConfigsFuture);

    add("IncrementalAlterConfigs", 0, 1, "plain", v -> alterRequest(), v -> alterResponse(0, null));
    add("IncrementalAlterConfigs", 0, 1, "error", v -> alterRequest(), v -> alterResponse(40, "no such config"));
    add("IncrementalAlterConfigs", 1, 1, "future", v -> alterRequest(), v -> alterFuture());

    HexFormat f = HexFormat.of();
    StringBuilder out = new StringBuilder();
    out.append("{\n\"records\": {\n");
    out.append(String.format("\"v\": \"%s\",\n", f.formatHex(records("v"))));
    out.append(String.format("\"w\": \"%s\"\n},\n", f.formatHex(records("w".repeat(300)))));

    out.append("\"versions\": {\n");
    List<String> lines = new ArrayList<>();
    for (ApiKeys key : ApiKeys.values()) {
      if (cases.stream().anyMatch(c -> c.api().equals(key.name))) {
        lines.add(String.format("\"%s\": { \"key\": %d, \"min\": %d, \"max\": %d }", key.name, key.id, key.oldestVersion(), key.latestVersion()));
      }
    }
    out.append(String.join(",\n", lines)).append("\n},\n");

    lines.clear();
    out.append("\"errors\": [\n");
    for (Errors e : Errors.values()) {
      lines.add(String.format("[%d, \"%s\", %b]", e.code(), e.name(), e.exception() instanceof RetriableException));
    }
    out.append(String.join(",\n", lines)).append("\n],\n");

    lines.clear();
    out.append("\"cases\": [\n");
    for (Case c : cases) {
      ApiKeys key = ApiKeys.forId(c.request().apiKey());
      short v = (short) c.version();
      byte[] requestHeader = bytes(new RequestHeaderData().setRequestApiKey(key.id).setRequestApiVersion(v)
          .setCorrelationId(1).setClientId(CLIENT), key.requestHeaderVersion(v));
      byte[] responseHeader = bytes(new ResponseHeaderData().setCorrelationId(1), key.responseHeaderVersion(v));
      if (c.name().equals("future")) responseHeader = bytes(with(new ResponseHeaderData().setCorrelationId(1)), key.responseHeaderVersion(v));
      lines.add(String.format(
          "{ \"api\": \"%s\", \"version\": %d, \"case\": \"%s\", \"request\": \"%s\", \"response\": \"%s\" }",
          c.api(), v, c.name(),
          hex(requestHeader, 2 + 2 + 4 + 2 + CLIENT.length(), bytes(c.request(), v)),
          hex(responseHeader, 4, bytes(c.response(), v))));
    }
    out.append(String.join(",\n", lines)).append("\n]\n}\n");
    System.out.print(out);
  }
}
