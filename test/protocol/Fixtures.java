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
  static final Uuid NOT_ASKED_ID = Uuid.fromString("BcDeFgHiJkLmNoPqRsTu_A");
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

  // --------------------------------------------------------------------------------------------------------- groups

  static final String GROUP = "gruppe";
  static final String MEMBER = "member-1";
  static final String INSTANCE = "instance-1";

  static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static ApiMessage findCoordinatorRequest(int v, int type) {
    FindCoordinatorRequestData d = new FindCoordinatorRequestData().setKeyType((byte) type);
    return v >= 4 ? d.setCoordinatorKeys(List.of(GROUP)) : d.setKey(GROUP);
  }

  static FindCoordinatorResponseData findCoordinatorResponse(int v) {
    FindCoordinatorResponseData d = new FindCoordinatorResponseData().setThrottleTimeMs(3);
    if (v < 4) return d.setNodeId(2).setHost("kafka-2.example").setPort(9092);
    d.coordinators().add(new FindCoordinatorResponseData.Coordinator().setKey("other").setNodeId(1).setHost("kafka-1.example").setPort(9092));
    d.coordinators().add(new FindCoordinatorResponseData.Coordinator().setKey(GROUP).setNodeId(2).setHost("kafka-2.example").setPort(9092));
    return d;
  }

  static FindCoordinatorResponseData findCoordinatorError(int v) {
    FindCoordinatorResponseData d = new FindCoordinatorResponseData();
    if (v < 4) return d.setErrorCode((short) 15).setErrorMessage("not yet").setNodeId(-1).setHost("").setPort(-1);
    d.coordinators().add(new FindCoordinatorResponseData.Coordinator().setKey(GROUP).setErrorCode((short) 15)
        .setErrorMessage("not yet").setNodeId(-1).setHost("").setPort(-1));
    return d;
  }

  static FindCoordinatorResponseData findCoordinatorFuture(int v) {
    FindCoordinatorResponseData d = with(findCoordinatorResponse(v));
    d.coordinators().forEach(Fixtures::future);
    return d;
  }

  static ApiMessage joinGroupRequest(int v, String member, String instance) {
    JoinGroupRequestData d = new JoinGroupRequestData().setGroupId(GROUP).setSessionTimeoutMs(30000).setRebalanceTimeoutMs(60000)
        .setMemberId(member).setProtocolType("consumer").setReason("because");
    if (v >= 5) d.setGroupInstanceId(instance);
    d.protocols().add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("cooperative-sticky").setMetadata(text("wanted")));
    d.protocols().add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("range").setMetadata(new byte[0]));
    return d;
  }

  static JoinGroupResponseData joinGroupResponse(int v) {
    JoinGroupResponseData d = new JoinGroupResponseData().setThrottleTimeMs(3).setGenerationId(7).setProtocolType("consumer")
        .setProtocolName("range").setLeader(MEMBER).setMemberId(MEMBER).setMembers(new ArrayList<>(List.of(
            new JoinGroupResponseData.JoinGroupResponseMember().setMemberId(MEMBER).setGroupInstanceId(INSTANCE).setMetadata(text("one")),
            new JoinGroupResponseData.JoinGroupResponseMember().setMemberId("member-2").setMetadata(text("two")))));
    return v >= 9 ? d.setSkipAssignment(true) : d;
  }

  static JoinGroupResponseData joinGroupError(int v) {
    return new JoinGroupResponseData().setErrorCode((short) 79).setProtocolName(v >= 7 ? null : "").setLeader("").setMemberId("given");
  }

  static JoinGroupResponseData joinGroupFuture(int v) {
    JoinGroupResponseData d = with(joinGroupResponse(v));
    d.members().forEach(Fixtures::future);
    return d;
  }

  static ApiMessage syncGroupRequest(int v, String instance, SyncGroupRequestData.SyncGroupRequestAssignment... plan) {
    SyncGroupRequestData d = new SyncGroupRequestData().setGroupId(GROUP).setGenerationId(7).setMemberId(MEMBER)
        .setProtocolType("consumer").setProtocolName("range").setAssignments(List.of(plan));
    return v >= 3 ? d.setGroupInstanceId(instance) : d;
  }

  static SyncGroupRequestData.SyncGroupRequestAssignment planned(String member, String assignment) {
    return new SyncGroupRequestData.SyncGroupRequestAssignment().setMemberId(member).setAssignment(text(assignment));
  }

  static SyncGroupResponseData syncGroupResponse() {
    return new SyncGroupResponseData().setThrottleTimeMs(3).setProtocolType("consumer").setProtocolName("range").setAssignment(text("yours"));
  }

  static ApiMessage heartbeatRequest(int v, String instance) {
    HeartbeatRequestData d = new HeartbeatRequestData().setGroupId(GROUP).setGenerationId(7).setMemberId(MEMBER);
    return v >= 3 ? d.setGroupInstanceId(instance) : d;
  }

  static ApiMessage leaveGroupRequest(int v, String instance) {
    LeaveGroupRequestData d = new LeaveGroupRequestData().setGroupId(GROUP);
    if (v < 3) return d.setMemberId(MEMBER);
    return d.setMembers(List.of(new LeaveGroupRequestData.MemberIdentity().setMemberId(MEMBER).setGroupInstanceId(instance).setReason("because")));
  }

  static LeaveGroupResponseData leaveGroupResponse(int v, int error) {
    LeaveGroupResponseData d = new LeaveGroupResponseData().setThrottleTimeMs(3);
    if (v < 3) return d.setErrorCode((short) error);
    return d.setMembers(new ArrayList<>(List.of(new LeaveGroupResponseData.MemberResponse().setMemberId(MEMBER).setErrorCode((short) error))));
  }

  static LeaveGroupResponseData leaveGroupFuture(int v) {
    LeaveGroupResponseData d = with(leaveGroupResponse(v, 0));
    d.members().forEach(Fixtures::future);
    return d;
  }

  // -------------------------------------------------------------------------------------------------------- offsets

  static OffsetCommitRequestData.OffsetCommitRequestPartition commit(int v, int partition, long offset, int epoch, String metadata) {
    OffsetCommitRequestData.OffsetCommitRequestPartition p = new OffsetCommitRequestData.OffsetCommitRequestPartition()
        .setPartitionIndex(partition).setCommittedOffset(offset).setCommittedMetadata(metadata);
    return v >= 6 ? p.setCommittedLeaderEpoch(epoch) : p;
  }

  /** From this version on, offsets are committed and asked for by the ids of topics. */
  static final int BY_ID = 10;

  static OffsetCommitRequestData.OffsetCommitRequestTopic commitOf(int v, String name, Uuid id) {
    OffsetCommitRequestData.OffsetCommitRequestTopic t = new OffsetCommitRequestData.OffsetCommitRequestTopic();
    return v >= BY_ID ? t.setTopicId(id) : t.setName(name);
  }

  static ApiMessage offsetCommitRequest(int v, String instance) {
    OffsetCommitRequestData d = new OffsetCommitRequestData().setGroupId(GROUP).setGenerationIdOrMemberEpoch(7).setMemberId(MEMBER)
        .setTopics(List.of(
            commitOf(v, TOPIC, ID).setPartitions(List.of(commit(v, 0, 4294967296123L, 3, "so far"), commit(v, 5, 0, -1, null))),
            commitOf(v, "other", OTHER_ID).setPartitions(List.of(commit(v, 1, 9, 2, null)))));
    return v >= 7 ? d.setGroupInstanceId(instance) : d;
  }

  static OffsetCommitResponseData.OffsetCommitResponseTopic committedOf(int v, String name, Uuid id) {
    OffsetCommitResponseData.OffsetCommitResponseTopic t = new OffsetCommitResponseData.OffsetCommitResponseTopic();
    return v >= BY_ID ? t.setTopicId(id) : t.setName(name);
  }

  static OffsetCommitResponseData offsetCommitResponse(int v) {
    return new OffsetCommitResponseData().setThrottleTimeMs(3).setTopics(new ArrayList<>(List.of(
        committedOf(v, "not asked", NOT_ASKED_ID).setPartitions(List.of(
            new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(0))),
        committedOf(v, "other", OTHER_ID).setPartitions(List.of(
            new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(1).setErrorCode((short) 27))),
        committedOf(v, TOPIC, ID).setPartitions(List.of(
            new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(5).setErrorCode((short) 12),
            new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(0))))));
  }

  static OffsetCommitResponseData offsetCommitFuture(int v) {
    OffsetCommitResponseData d = with(offsetCommitResponse(v));
    d.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); });
    return d;
  }

  static ApiMessage offsetFetchRequest(int v, boolean stable, boolean all, String member, int epoch) {
    OffsetFetchRequestData d = new OffsetFetchRequestData();
    if (v >= 7) d.setRequireStable(stable);
    if (v < 8) {
      return d.setGroupId(GROUP).setTopics(all ? null : List.of(
          new OffsetFetchRequestData.OffsetFetchRequestTopic().setName(TOPIC).setPartitionIndexes(List.of(0, 5)),
          new OffsetFetchRequestData.OffsetFetchRequestTopic().setName("other").setPartitionIndexes(List.of(1))));
    }
    OffsetFetchRequestData.OffsetFetchRequestTopics one = new OffsetFetchRequestData.OffsetFetchRequestTopics().setPartitionIndexes(List.of(0, 5));
    OffsetFetchRequestData.OffsetFetchRequestTopics other = new OffsetFetchRequestData.OffsetFetchRequestTopics().setPartitionIndexes(List.of(1));
    OffsetFetchRequestData.OffsetFetchRequestGroup g = new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId(GROUP)
        .setTopics(all ? null : v >= BY_ID
            ? List.of(one.setTopicId(ID), other.setTopicId(OTHER_ID))
            : List.of(one.setName(TOPIC), other.setName("other")));
    if (v >= 9) g.setMemberId(member).setMemberEpoch(epoch);
    return d.setGroups(List.of(g));
  }

  static OffsetFetchResponseData.OffsetFetchResponsePartitions committed(int partition, long offset, int epoch, String metadata, int error) {
    return new OffsetFetchResponseData.OffsetFetchResponsePartitions().setPartitionIndex(partition).setCommittedOffset(offset)
        .setCommittedLeaderEpoch(epoch).setMetadata(metadata).setErrorCode((short) error);
  }

  static OffsetFetchResponseData offsetFetchResponse(int v, int error) {
    OffsetFetchResponseData.OffsetFetchResponseGroup g = new OffsetFetchResponseData.OffsetFetchResponseGroup().setGroupId(GROUP)
        .setErrorCode((short) error).setTopics(new ArrayList<>());
    if (error == 0) {
      OffsetFetchResponseData.OffsetFetchResponseTopics other = new OffsetFetchResponseData.OffsetFetchResponseTopics()
          .setPartitions(List.of(committed(1, -1, -1, "", 88)));
      OffsetFetchResponseData.OffsetFetchResponseTopics one = new OffsetFetchResponseData.OffsetFetchResponseTopics()
          .setPartitions(List.of(committed(0, 4294967296123L, 3, "so far", 0), committed(5, -1, -1, "", 0)));
      g.topics().add(v >= BY_ID ? other.setTopicId(OTHER_ID) : other.setName("other"));
      g.topics().add(v >= BY_ID ? one.setTopicId(ID) : one.setName(TOPIC));
    }
    OffsetFetchResponseData d = new OffsetFetchResponseData().setThrottleTimeMs(3);
    if (v >= 8) return d.setGroups(new ArrayList<>(List.of(g)));
    d.setErrorCode((short) error).setTopics(new ArrayList<>());
    g.topics().forEach(t -> d.topics().add(new OffsetFetchResponseData.OffsetFetchResponseTopic().setName(t.name()).setPartitions(
        t.partitions().stream().map(p -> new OffsetFetchResponseData.OffsetFetchResponsePartition().setPartitionIndex(p.partitionIndex())
            .setCommittedOffset(p.committedOffset()).setCommittedLeaderEpoch(p.committedLeaderEpoch()).setMetadata(p.metadata())
            .setErrorCode(p.errorCode())).toList())));
    return d;
  }

  static OffsetFetchResponseData offsetFetchFuture(int v) {
    OffsetFetchResponseData d = with(offsetFetchResponse(v, 0));
    d.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); });
    d.groups().forEach(g -> { future(g); g.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); }); });
    return d;
  }

  static ApiMessage offsetDeleteRequest() {
    OffsetDeleteRequestData.OffsetDeleteRequestTopicCollection topics = new OffsetDeleteRequestData.OffsetDeleteRequestTopicCollection();
    topics.add(new OffsetDeleteRequestData.OffsetDeleteRequestTopic().setName(TOPIC).setPartitions(List.of(
        new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(0),
        new OffsetDeleteRequestData.OffsetDeleteRequestPartition().setPartitionIndex(5))));
    return new OffsetDeleteRequestData().setGroupId(GROUP).setTopics(topics);
  }

  static OffsetDeleteResponseData offsetDeleteResponse() {
    OffsetDeleteResponseData.OffsetDeleteResponsePartitionCollection partitions = new OffsetDeleteResponseData.OffsetDeleteResponsePartitionCollection();
    partitions.add(new OffsetDeleteResponseData.OffsetDeleteResponsePartition().setPartitionIndex(5).setErrorCode((short) 86));
    partitions.add(new OffsetDeleteResponseData.OffsetDeleteResponsePartition().setPartitionIndex(0));
    OffsetDeleteResponseData.OffsetDeleteResponseTopicCollection topics = new OffsetDeleteResponseData.OffsetDeleteResponseTopicCollection();
    topics.add(new OffsetDeleteResponseData.OffsetDeleteResponseTopic().setName(TOPIC).setPartitions(partitions));
    return new OffsetDeleteResponseData().setThrottleTimeMs(3).setTopics(topics);
  }

  // ---------------------------------------------------------------------------------------- the consumer protocol

  static ApiMessage consumerJoinRequest() {
    return new ConsumerGroupHeartbeatRequestData().setGroupId(GROUP).setMemberId(MEMBER).setMemberEpoch(0).setInstanceId(INSTANCE)
        .setRackId("rack").setRebalanceTimeoutMs(60000).setSubscribedTopicNames(List.of(TOPIC, "other")).setSubscribedTopicRegex("a.*")
        .setServerAssignor("uniform").setTopicPartitions(List.of());
  }

  static ApiMessage consumerOwnsRequest() {
    return new ConsumerGroupHeartbeatRequestData().setGroupId(GROUP).setMemberId(MEMBER).setMemberEpoch(5).setTopicPartitions(List.of(
        new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(ID).setPartitions(List.of(0, 5)),
        new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(OTHER_ID).setPartitions(List.of(1))));
  }

  static ApiMessage consumerBeatRequest() {
    return new ConsumerGroupHeartbeatRequestData().setGroupId(GROUP).setMemberId(MEMBER).setMemberEpoch(5);
  }

  static ConsumerGroupHeartbeatResponseData consumerAssigned() {
    return new ConsumerGroupHeartbeatResponseData().setThrottleTimeMs(3).setMemberId(MEMBER).setMemberEpoch(6).setHeartbeatIntervalMs(5000)
        .setAssignment(new ConsumerGroupHeartbeatResponseData.Assignment().setTopicPartitions(List.of(
            new ConsumerGroupHeartbeatResponseData.TopicPartitions().setTopicId(ID).setPartitions(List.of(0, 5)),
            new ConsumerGroupHeartbeatResponseData.TopicPartitions().setTopicId(OTHER_ID).setPartitions(List.of(1)))));
  }

  static ConsumerGroupHeartbeatResponseData consumerRevoked() {
    return new ConsumerGroupHeartbeatResponseData().setMemberEpoch(6).setHeartbeatIntervalMs(5000)
        .setAssignment(new ConsumerGroupHeartbeatResponseData.Assignment().setTopicPartitions(List.of()));
  }

  static ConsumerGroupHeartbeatResponseData consumerFuture() {
    ConsumerGroupHeartbeatResponseData d = with(consumerAssigned());
    future(d.assignment());
    d.assignment().topicPartitions().forEach(Fixtures::future);
    return d;
  }

  static ConsumerGroupDescribeResponseData.Assignment described(int... partitions) {
    return new ConsumerGroupDescribeResponseData.Assignment().setTopicPartitions(new ArrayList<>(List.of(
        new ConsumerGroupDescribeResponseData.TopicPartitions().setTopicId(ID).setTopicName(TOPIC)
            .setPartitions(java.util.Arrays.stream(partitions).boxed().toList()))));
  }

  static ConsumerGroupDescribeResponseData consumerDescribed(int v) {
    ConsumerGroupDescribeResponseData.Member plain = new ConsumerGroupDescribeResponseData.Member().setMemberId(MEMBER).setMemberEpoch(5)
        .setClientId("client-1").setClientHost("/127.0.0.1").setSubscribedTopicNames(List.of(TOPIC))
        .setAssignment(described(0)).setTargetAssignment(described(0, 5));
    ConsumerGroupDescribeResponseData.Member full = new ConsumerGroupDescribeResponseData.Member().setMemberId("member-2").setMemberEpoch(4)
        .setInstanceId(INSTANCE).setRackId("rack").setClientId("client-2").setClientHost("/127.0.0.2").setSubscribedTopicNames(List.of())
        .setSubscribedTopicRegex("a.*").setAssignment(described(5)).setTargetAssignment(new ConsumerGroupDescribeResponseData.Assignment());
    if (v >= 1) {
      plain.setMemberType((byte) 0);
      full.setMemberType((byte) 1);
    }
    return new ConsumerGroupDescribeResponseData().setThrottleTimeMs(3).setGroups(new ArrayList<>(List.of(
        new ConsumerGroupDescribeResponseData.DescribedGroup().setGroupId("other").setErrorCode((short) 69),
        new ConsumerGroupDescribeResponseData.DescribedGroup().setGroupId(GROUP).setGroupState("Reconciling").setGroupEpoch(6)
            .setAssignmentEpoch(6).setAssignorName("uniform").setMembers(new ArrayList<>(List.of(plain, full))))));
  }

  static ConsumerGroupDescribeResponseData consumerDescribedError() {
    return new ConsumerGroupDescribeResponseData().setGroups(new ArrayList<>(List.of(
        new ConsumerGroupDescribeResponseData.DescribedGroup().setGroupId(GROUP).setErrorCode((short) 69).setErrorMessage("no such group"))));
  }

  static ConsumerGroupDescribeResponseData consumerDescribedFuture(int v) {
    ConsumerGroupDescribeResponseData d = with(consumerDescribed(v));
    d.groups().forEach(g -> {
      future(g);
      g.members().forEach(m -> {
        future(m);
        for (ConsumerGroupDescribeResponseData.Assignment a : List.of(m.assignment(), m.targetAssignment())) {
          future(a);
          a.topicPartitions().forEach(Fixtures::future);
        }
      });
    });
    return d;
  }

  // ------------------------------------------------------------------------------------------ groups, administered

  static DescribeGroupsResponseData describeGroupsResponse(int v) {
    DescribeGroupsResponseData.DescribedGroupMember one = new DescribeGroupsResponseData.DescribedGroupMember().setMemberId(MEMBER)
        .setClientId("client-1").setClientHost("/127.0.0.1").setMemberMetadata(text("wanted")).setMemberAssignment(text("yours"));
    if (v >= 4) one.setGroupInstanceId(INSTANCE);
    DescribeGroupsResponseData.DescribedGroupMember two = new DescribeGroupsResponseData.DescribedGroupMember().setMemberId("member-2")
        .setClientId("client-2").setClientHost("/127.0.0.2");
    DescribeGroupsResponseData.DescribedGroup group = new DescribeGroupsResponseData.DescribedGroup().setGroupId(GROUP).setGroupState("Stable")
        .setProtocolType("consumer").setProtocolData("range").setMembers(new ArrayList<>(List.of(one, two)));
    DescribeGroupsResponseData.DescribedGroup other = new DescribeGroupsResponseData.DescribedGroup().setGroupId("other").setGroupState("Dead");
    return new DescribeGroupsResponseData().setThrottleTimeMs(3).setGroups(new ArrayList<>(List.of(other, group)));
  }

  static DescribeGroupsResponseData describeGroupsError(int v) {
    DescribeGroupsResponseData.DescribedGroup group = new DescribeGroupsResponseData.DescribedGroup().setGroupId(GROUP).setErrorCode((short) 69);
    if (v >= 6) group.setErrorMessage("no such group");
    return new DescribeGroupsResponseData().setGroups(new ArrayList<>(List.of(group)));
  }

  static DescribeGroupsResponseData describeGroupsFuture(int v) {
    DescribeGroupsResponseData d = with(describeGroupsResponse(v));
    d.groups().forEach(g -> { future(g); g.members().forEach(Fixtures::future); });
    return d;
  }

  static ApiMessage describeGroupsRequest() {
    return new DescribeGroupsRequestData().setGroups(List.of(GROUP));
  }

  static ApiMessage listGroupsRequest(int v) {
    ListGroupsRequestData d = new ListGroupsRequestData();
    if (v >= 4) d.setStatesFilter(List.of("Stable", "Empty"));
    return v >= 5 ? d.setTypesFilter(List.of("consumer")) : d;
  }

  static ListGroupsResponseData listGroupsResponse() {
    return new ListGroupsResponseData().setThrottleTimeMs(3).setGroups(new ArrayList<>(List.of(
        new ListGroupsResponseData.ListedGroup().setGroupId(GROUP).setProtocolType("consumer").setGroupState("Stable").setGroupType("classic"),
        new ListGroupsResponseData.ListedGroup().setGroupId("other").setProtocolType("").setGroupState("Empty").setGroupType("consumer"))));
  }

  static ListGroupsResponseData listGroupsFuture() {
    ListGroupsResponseData d = with(listGroupsResponse());
    d.groups().forEach(Fixtures::future);
    return d;
  }

  static DeleteGroupsResponseData deleteGroupsResponse(int error) {
    DeleteGroupsResponseData d = new DeleteGroupsResponseData().setThrottleTimeMs(3);
    d.results().add(new DeleteGroupsResponseData.DeletableGroupResult().setGroupId("other").setErrorCode((short) 16));
    d.results().add(new DeleteGroupsResponseData.DeletableGroupResult().setGroupId(GROUP).setErrorCode((short) error));
    return d;
  }

  static DeleteGroupsResponseData deleteGroupsFuture() {
    DeleteGroupsResponseData d = with(deleteGroupsResponse(0));
    d.results().forEach(Fixtures::future);
    return d;
  }

  // --------------------------------------------------------------------------------------------------- transactions

  static final String TRANSACTION = "tx";
  static final long PRODUCER = 9223372036854775806L;

  static ApiMessage initTransactionalRequest(int v) {
    InitProducerIdRequestData d = new InitProducerIdRequestData().setTransactionalId(TRANSACTION).setTransactionTimeoutMs(60000);
    return v >= 3 ? d.setProducerId(PRODUCER).setProducerEpoch((short) 7) : d;
  }

  static ApiMessage addPartitionsRequest() {
    AddPartitionsToTxnRequestData.AddPartitionsToTxnTopicCollection topics = new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopicCollection();
    topics.add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName(TOPIC).setPartitions(List.of(0, 5)));
    topics.add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("other").setPartitions(List.of(1)));
    return new AddPartitionsToTxnRequestData().setV3AndBelowTransactionalId(TRANSACTION).setV3AndBelowProducerId(PRODUCER)
        .setV3AndBelowProducerEpoch((short) 7).setV3AndBelowTopics(topics);
  }

  static AddPartitionsToTxnResponseData.AddPartitionsToTxnTopicResult added(String topic, int... codes) {
    AddPartitionsToTxnResponseData.AddPartitionsToTxnPartitionResultCollection partitions =
        new AddPartitionsToTxnResponseData.AddPartitionsToTxnPartitionResultCollection();
    for (int i = 0; i < codes.length; i += 2) {
      partitions.add(new AddPartitionsToTxnResponseData.AddPartitionsToTxnPartitionResult().setPartitionIndex(codes[i])
          .setPartitionErrorCode((short) codes[i + 1]));
    }
    return new AddPartitionsToTxnResponseData.AddPartitionsToTxnTopicResult().setName(topic).setResultsByPartition(partitions);
  }

  static AddPartitionsToTxnResponseData addPartitionsResponse() {
    AddPartitionsToTxnResponseData d = new AddPartitionsToTxnResponseData().setThrottleTimeMs(3);
    d.resultsByTopicV3AndBelow().add(added("other", 1, 51));
    d.resultsByTopicV3AndBelow().add(added(TOPIC, 5, 55, 0, 0));
    return d;
  }

  static AddPartitionsToTxnResponseData addPartitionsFuture() {
    AddPartitionsToTxnResponseData d = with(addPartitionsResponse());
    d.resultsByTopicV3AndBelow().forEach(t -> { future(t); t.resultsByPartition().forEach(Fixtures::future); });
    return d;
  }

  static ApiMessage addOffsetsRequest() {
    return new AddOffsetsToTxnRequestData().setTransactionalId(TRANSACTION).setProducerId(PRODUCER).setProducerEpoch((short) 7).setGroupId(GROUP);
  }

  static ApiMessage txnOffsetCommitRequest() {
    return new TxnOffsetCommitRequestData().setTransactionalId(TRANSACTION).setGroupId(GROUP).setProducerId(PRODUCER).setProducerEpoch((short) 7)
        .setGenerationId(7).setMemberId(MEMBER).setGroupInstanceId(INSTANCE).setTopics(List.of(
            new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic().setName(TOPIC).setPartitions(List.of(
                new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(0).setCommittedOffset(4294967296123L)
                    .setCommittedLeaderEpoch(3).setCommittedMetadata("so far"),
                new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(5).setCommittedOffset(0)
                    .setCommittedMetadata(null)))));
  }

  static TxnOffsetCommitResponseData txnOffsetCommitResponse() {
    return new TxnOffsetCommitResponseData().setThrottleTimeMs(3).setTopics(new ArrayList<>(List.of(
        new TxnOffsetCommitResponseData.TxnOffsetCommitResponseTopic().setName(TOPIC).setPartitions(List.of(
            new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(5).setErrorCode((short) 22),
            new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(0))))));
  }

  static TxnOffsetCommitResponseData txnOffsetCommitFuture() {
    TxnOffsetCommitResponseData d = with(txnOffsetCommitResponse());
    d.topics().forEach(t -> { future(t); t.partitions().forEach(Fixtures::future); });
    return d;
  }

  static ApiMessage endTxnRequest(boolean committed) {
    return new EndTxnRequestData().setTransactionalId(TRANSACTION).setProducerId(PRODUCER).setProducerEpoch((short) 7).setCommitted(committed);
  }

  static EndTxnResponseData endTxnResponse(int v) {
    EndTxnResponseData d = new EndTxnResponseData().setThrottleTimeMs(3);
    return v >= 5 ? d.setProducerId(PRODUCER).setProducerEpoch((short) 8) : d;
  }

  // ---------------------------------------------------------------------------- what members tell each other in bytes

  static ConsumerProtocolSubscription subscription(int v) {
    ConsumerProtocolSubscription d = new ConsumerProtocolSubscription().setTopics(List.of(TOPIC, "other"))
        .setUserData(ByteBuffer.wrap(text("sticky")));
    if (v >= 1) {
      d.ownedPartitions().add(new ConsumerProtocolSubscription.TopicPartition().setTopic(TOPIC).setPartitions(List.of(0, 5)));
      d.ownedPartitions().add(new ConsumerProtocolSubscription.TopicPartition().setTopic("other").setPartitions(List.of(1)));
    }
    if (v >= 2) d.setGenerationId(7);
    return v >= 3 ? d.setRackId("rack") : d;
  }

  static ConsumerProtocolAssignment assignment(byte[] userData) {
    ConsumerProtocolAssignment d = new ConsumerProtocolAssignment().setUserData(userData == null ? null : ByteBuffer.wrap(userData));
    d.assignedPartitions().add(new ConsumerProtocolAssignment.TopicPartition().setTopic(TOPIC).setPartitions(List.of(0, 5)));
    d.assignedPartitions().add(new ConsumerProtocolAssignment.TopicPartition().setTopic("other").setPartitions(List.of(1)));
    return d;
  }

  /** As they are on the wire: behind the number of their version. */
  static String embedded(Message message, int version) {
    return String.format("%04x%s", version, HexFormat.of().formatHex(bytes(message, version)));
  }

  // -----------------------------------------------------------------------------------------------------------------

  public static void main(String[] args) {
    add("Metadata", 7, 12, "plain", v -> metadataRequest(v, TOPIC, "missing"), Fixtures::metadataResponse);
    add("Metadata", 7, 12, "all", v -> new MetadataRequestData().setTopics(null).setAllowAutoTopicCreation(false), Fixtures::metadataResponse);
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

    add("InitProducerId", 1, 5, "plain", v -> initProducerIdRequest(), v -> initProducerIdResponse());
    add("InitProducerId", 1, 5, "error", v -> initProducerIdRequest(),
        v -> new InitProducerIdResponseData().setErrorCode((short) 14).setProducerEpoch((short) -1));
    add("InitProducerId", 2, 5, "future", v -> initProducerIdRequest(), v -> with(initProducerIdResponse()));

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

    add("InitProducerId", 1, 5, "transactional", Fixtures::initTransactionalRequest, v -> initProducerIdResponse());

    add("FindCoordinator", 1, 5, "plain", v -> findCoordinatorRequest(v, 0), Fixtures::findCoordinatorResponse);
    add("FindCoordinator", 1, 5, "error", v -> findCoordinatorRequest(v, 1), Fixtures::findCoordinatorError);
    add("FindCoordinator", 3, 5, "future", v -> findCoordinatorRequest(v, 0), Fixtures::findCoordinatorFuture);
    add("JoinGroup", 2, 9, "plain", v -> joinGroupRequest(v, MEMBER, null), Fixtures::joinGroupResponse);
    add("JoinGroup", 5, 9, "static", v -> joinGroupRequest(v, MEMBER, INSTANCE), Fixtures::joinGroupResponse);
    add("JoinGroup", 2, 9, "error", v -> joinGroupRequest(v, "", null), Fixtures::joinGroupError);
    add("JoinGroup", 6, 9, "future", v -> joinGroupRequest(v, MEMBER, null), Fixtures::joinGroupFuture);
    add("SyncGroup", 1, 5, "plain", v -> syncGroupRequest(v, null, planned(MEMBER, "yours"), planned("member-2", "")), v -> syncGroupResponse());
    add("SyncGroup", 3, 5, "static", v -> syncGroupRequest(v, INSTANCE), v -> syncGroupResponse());
    add("SyncGroup", 1, 5, "error", v -> syncGroupRequest(v, null), v -> new SyncGroupResponseData().setErrorCode((short) 27));
    add("SyncGroup", 4, 5, "future", v -> syncGroupRequest(v, null), v -> with(syncGroupResponse()));
    add("Heartbeat", 1, 4, "plain", v -> heartbeatRequest(v, null), v -> new HeartbeatResponseData().setThrottleTimeMs(3));
    add("Heartbeat", 3, 4, "static", v -> heartbeatRequest(v, INSTANCE), v -> new HeartbeatResponseData().setErrorCode((short) 82));
    add("Heartbeat", 4, 4, "future", v -> heartbeatRequest(v, null), v -> with(new HeartbeatResponseData().setErrorCode((short) 27)));
    add("LeaveGroup", 1, 5, "plain", v -> leaveGroupRequest(v, null), v -> leaveGroupResponse(v, 0));
    add("LeaveGroup", 3, 5, "static", v -> leaveGroupRequest(v, INSTANCE), v -> leaveGroupResponse(v, 82));
    add("LeaveGroup", 1, 5, "error", v -> leaveGroupRequest(v, null), v -> new LeaveGroupResponseData().setErrorCode((short) 16));
    add("LeaveGroup", 4, 5, "future", v -> leaveGroupRequest(v, null), Fixtures::leaveGroupFuture);

    add("OffsetCommit", 5, 10, "plain", v -> offsetCommitRequest(v, null), Fixtures::offsetCommitResponse);
    add("OffsetCommit", 7, 10, "static", v -> offsetCommitRequest(v, INSTANCE), Fixtures::offsetCommitResponse);
    add("OffsetCommit", 8, 10, "future", v -> offsetCommitRequest(v, null), Fixtures::offsetCommitFuture);
    add("OffsetFetch", 5, 10, "plain", v -> offsetFetchRequest(v, true, false, null, -1), v -> offsetFetchResponse(v, 0));
    add("OffsetFetch", 5, 9, "all", v -> offsetFetchRequest(v, false, true, null, -1), v -> offsetFetchResponse(v, 0));
    add("OffsetFetch", 5, 10, "error", v -> offsetFetchRequest(v, true, false, MEMBER, 5), v -> offsetFetchResponse(v, 16));
    add("OffsetFetch", 6, 10, "future", v -> offsetFetchRequest(v, true, false, null, -1), Fixtures::offsetFetchFuture);
    add("OffsetDelete", 0, 0, "plain", v -> offsetDeleteRequest(), v -> offsetDeleteResponse());
    add("OffsetDelete", 0, 0, "error", v -> offsetDeleteRequest(), v -> new OffsetDeleteResponseData().setErrorCode((short) 68));

    add("ConsumerGroupHeartbeat", 1, 1, "join", v -> consumerJoinRequest(), v -> consumerAssigned());
    add("ConsumerGroupHeartbeat", 1, 1, "owns", v -> consumerOwnsRequest(), v -> consumerRevoked());
    add("ConsumerGroupHeartbeat", 1, 1, "beat", v -> consumerBeatRequest(),
        v -> new ConsumerGroupHeartbeatResponseData().setMemberId(MEMBER).setMemberEpoch(5).setHeartbeatIntervalMs(5000));
    add("ConsumerGroupHeartbeat", 1, 1, "error", v -> consumerBeatRequest(),
        v -> new ConsumerGroupHeartbeatResponseData().setErrorCode((short) 110).setErrorMessage("fenced"));
    add("ConsumerGroupHeartbeat", 1, 1, "future", v -> consumerBeatRequest(), v -> consumerFuture());
    add("ConsumerGroupDescribe", 0, 1, "plain", v -> new ConsumerGroupDescribeRequestData().setGroupIds(List.of(GROUP)), Fixtures::consumerDescribed);
    add("ConsumerGroupDescribe", 0, 1, "error", v -> new ConsumerGroupDescribeRequestData().setGroupIds(List.of(GROUP)), v -> consumerDescribedError());
    add("ConsumerGroupDescribe", 0, 1, "future", v -> new ConsumerGroupDescribeRequestData().setGroupIds(List.of(GROUP)), Fixtures::consumerDescribedFuture);

    add("DescribeGroups", 1, 6, "plain", v -> describeGroupsRequest(), Fixtures::describeGroupsResponse);
    add("DescribeGroups", 1, 6, "error", v -> describeGroupsRequest(), Fixtures::describeGroupsError);
    add("DescribeGroups", 5, 6, "future", v -> describeGroupsRequest(), Fixtures::describeGroupsFuture);
    add("ListGroups", 1, 5, "plain", v -> new ListGroupsRequestData(), v -> listGroupsResponse());
    add("ListGroups", 4, 5, "filtered", Fixtures::listGroupsRequest, v -> listGroupsResponse());
    add("ListGroups", 1, 5, "error", v -> new ListGroupsRequestData(), v -> new ListGroupsResponseData().setErrorCode((short) 14));
    add("ListGroups", 3, 5, "future", v -> new ListGroupsRequestData(), v -> listGroupsFuture());
    add("DeleteGroups", 1, 2, "plain", v -> new DeleteGroupsRequestData().setGroupsNames(List.of(GROUP)), v -> deleteGroupsResponse(0));
    add("DeleteGroups", 1, 2, "error", v -> new DeleteGroupsRequestData().setGroupsNames(List.of(GROUP)), v -> deleteGroupsResponse(68));
    add("DeleteGroups", 2, 2, "future", v -> new DeleteGroupsRequestData().setGroupsNames(List.of(GROUP)), v -> deleteGroupsFuture());

    add("AddPartitionsToTxn", 1, 3, "plain", v -> addPartitionsRequest(), v -> addPartitionsResponse());
    add("AddPartitionsToTxn", 3, 3, "future", v -> addPartitionsRequest(), v -> addPartitionsFuture());
    add("AddOffsetsToTxn", 1, 3, "plain", v -> addOffsetsRequest(), v -> new AddOffsetsToTxnResponseData().setThrottleTimeMs(3));
    add("AddOffsetsToTxn", 1, 3, "error", v -> addOffsetsRequest(), v -> new AddOffsetsToTxnResponseData().setErrorCode((short) 47));
    add("AddOffsetsToTxn", 3, 3, "future", v -> addOffsetsRequest(), v -> with(new AddOffsetsToTxnResponseData()));
    add("TxnOffsetCommit", 3, 5, "plain", v -> txnOffsetCommitRequest(), v -> txnOffsetCommitResponse());
    add("TxnOffsetCommit", 3, 5, "future", v -> txnOffsetCommitRequest(), v -> txnOffsetCommitFuture());
    add("EndTxn", 1, 5, "commit", v -> endTxnRequest(true), Fixtures::endTxnResponse);
    add("EndTxn", 1, 5, "abort", v -> endTxnRequest(false), v -> new EndTxnResponseData().setErrorCode((short) 51));
    add("EndTxn", 3, 5, "future", v -> endTxnRequest(true), v -> with(endTxnResponse(v)));

    HexFormat f = HexFormat.of();
    StringBuilder out = new StringBuilder();
    out.append("{\n\"records\": {\n");
    out.append(String.format("\"v\": \"%s\",\n", f.formatHex(records("v"))));
    out.append(String.format("\"w\": \"%s\"\n},\n", f.formatHex(records("w".repeat(300)))));

    out.append("\"consumerProtocol\": {\n\"subscriptions\": [");
    for (int v = 0; v <= 3; v++) out.append(String.format("%s\"%s\"", v == 0 ? "" : ", ", embedded(subscription(v), v)));
    out.append("],\n\"assignments\": [");
    for (int v = 0; v <= 3; v++) out.append(String.format("%s\"%s\"", v == 0 ? "" : ", ", embedded(assignment(v == 0 ? null : text("sticky")), v)));
    out.append("]\n},\n");

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
