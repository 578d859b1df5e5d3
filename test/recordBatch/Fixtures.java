import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.apache.kafka.common.utils.Utils;

/**
 * Writes fixtures.json: record batches as Kafka's own code writes them, and what Kafka's own code reads from them.
 *
 *     java -cp "<folder of Kafka 4.1's jars>/*" test/recordBatch/Fixtures.java > test/recordBatch/fixtures.json
 *     npx prettier --write test/recordBatch/fixtures.json
 *
 * With the names of files, it reads these instead, as record batches, and prints the same about them: for batches that
 * others wrote.
 */
public class Fixtures {
  static final long TIME = 1_700_000_000_000L;
  static final Header[] NONE = new Header[0];
  static final List<String> out = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    if (args.length > 0) {
      for (String file : args) {
        ByteBuffer bytes = ByteBuffer.wrap(java.nio.file.Files.readAllBytes(java.nio.file.Path.of(file)));
        emit(new java.io.File(file).getName(), bytes);
      }
    } else {
      for (CompressionType type : CompressionType.values()) {
        emit("magic 2 " + type.name, mixed(RecordBatch.MAGIC_VALUE_V2, type));
        emit("magic 2 " + type.name + " large", large(RecordBatch.MAGIC_VALUE_V2, type));
        if (type == CompressionType.ZSTD) continue;
        for (byte magic : new byte[] {0, 1}) {
          emit("magic " + magic + " " + type.name, mixed(magic, type));
        }
      }
      emit("magic 2 log append time", logAppendTime((byte) 2, CompressionType.NONE));
      emit("magic 1 gzip log append time", logAppendTime((byte) 1, CompressionType.GZIP));
      emit("transaction, committed and aborted", transactions());
      emit("leader change", MemoryRecords.withLeaderChangeMessage(40, TIME, 3, ByteBuffer.allocate(256),
          new LeaderChangeMessage().setLeaderId(1)).buffer());
      emit("delete horizon", deleteHorizon());
      emit("emptied by compaction", emptied());
      emit("compacted magic 2 gzip", compacted(mixed((byte) 2, CompressionType.GZIP)));
      emit("compacted magic 1 gzip", compacted(mixed((byte) 1, CompressionType.GZIP)));
      emit("compacted magic 0 snappy", compacted(mixed((byte) 0, CompressionType.SNAPPY)));
      ByteBuffer upgraded = ByteBuffer.allocate(4096);
      upgraded.put(at((byte) 0, CompressionType.LZ4, 10));
      upgraded.put(at((byte) 1, CompressionType.NONE, 20));
      upgraded.put(at((byte) 2, CompressionType.SNAPPY, 30));
      upgraded.flip();
      emit("upgraded from magic 0 over 1 to 2", upgraded);
    }
    System.out.println("[\n" + String.join(",\n", out) + "\n]");
  }

  static MemoryRecordsBuilder builder(byte magic, CompressionType type, TimestampType timestamps, long base,
      long producerId, short epoch, int sequence, boolean transactional, boolean control) {
    return new MemoryRecordsBuilder(new ByteBufferOutputStream(1 << 20), magic, Compression.of(type).build(), timestamps,
        base, timestamps == TimestampType.LOG_APPEND_TIME ? TIME + 999 : RecordBatch.NO_TIMESTAMP, producerId, epoch,
        sequence, transactional, control, 7, 1 << 20);
  }

  static MemoryRecordsBuilder builder(byte magic, CompressionType type, long base) {
    return builder(magic, type, magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, base,
        RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH, RecordBatch.NO_SEQUENCE, false, false);
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static ByteBuffer at(byte magic, CompressionType type, long base) {
    MemoryRecordsBuilder b = builder(magic, type, base);
    b.append(magic == 0 ? -1 : TIME, utf8("key"), utf8("at " + base));
    return b.build().buffer();
  }

  /** Nulls, empty values, repeated headers, a header without value, timestamps out of order. */
  static ByteBuffer mixed(byte magic, CompressionType type) {
    MemoryRecordsBuilder b = builder(magic, type, 100);
    boolean v2 = magic == 2;
    long time = magic == 0 ? -1 : TIME;
    long step = magic == 0 ? 0 : 1;
    b.append(time, utf8("alpha"), utf8("one"));
    b.append(time + 70_000 * step, utf8("beta"), (byte[]) null);
    b.append(time - 5 * step, (byte[]) null, utf8("no key"));
    b.append(time + step, utf8("empty"), new byte[0]);
    Header[] headers = {new RecordHeader("a", utf8("1")), new RecordHeader("a", utf8("2")),
        new RecordHeader("null", (byte[]) null), new RecordHeader("\u00e9t\u00e9", new byte[0])};
    b.append(time + 40L * 86_400_000 * step, utf8("headers"), utf8("{\"x\":1}"), v2 ? headers : NONE);
    b.append(time, utf8("alpha"), utf8("a longer value, a longer value, a longer value, a longer value, a longer value"));
    return b.build().buffer();
  }

  /** Several blocks of each codec, and varints of three bytes. */
  static ByteBuffer large(byte magic, CompressionType type) {
    MemoryRecordsBuilder b = builder(magic, type, 5_000_000_000L);
    boolean plain = type == CompressionType.NONE;
    for (int i = 0; i < (plain ? 3 : 200); i++) {
      b.append(magic == 0 ? -1 : TIME + i * 101L, utf8("key-" + i % 7), utf8("0123456789".repeat(plain ? 30 : 50)));
    }
    if (!plain) b.append(magic == 0 ? -1 : TIME, utf8("big"), utf8("0123456789".repeat(2_000)));
    return b.build().buffer();
  }

  static ByteBuffer logAppendTime(byte magic, CompressionType type) {
    MemoryRecordsBuilder b = builder(magic, type, TimestampType.LOG_APPEND_TIME, 7, -1, (short) -1, -1, false, false);
    b.append(TIME, utf8("a"), utf8("1"));
    b.append(TIME + 5, utf8("b"), utf8("2"));
    return b.build().buffer();
  }

  static ByteBuffer transactions() {
    ByteBuffer all = ByteBuffer.allocate(4096);
    for (int i = 0; i < 2; i++) {
      MemoryRecordsBuilder b = builder((byte) 2, CompressionType.NONE, TimestampType.CREATE_TIME, 10 + i * 3, 4_000_000_001L,
          (short) 2, i * 2, true, false);
      b.append(TIME, utf8("t"), utf8("first of " + i));
      b.append(TIME, utf8("t"), utf8("second of " + i));
      all.put(b.build().buffer());
      all.put(MemoryRecords.withEndTransactionMarker(12 + i * 3, TIME, 7, 4_000_000_001L, (short) 2,
          new EndTransactionMarker(i == 0 ? ControlRecordType.COMMIT : ControlRecordType.ABORT, 9)).buffer());
    }
    all.flip();
    return all;
  }

  static ByteBuffer deleteHorizon() {
    MemoryRecordsBuilder b = new MemoryRecordsBuilder(new ByteBufferOutputStream(4096), (byte) 2,
        Compression.of(CompressionType.NONE).build(), TimestampType.CREATE_TIME, 50, -1, -1, (short) -1, -1, false, false, 7,
        4096, TIME + 86_400_000L);
    b.append(TIME, utf8("gone"), (byte[]) null);
    b.append(TIME + 2, utf8("stays"), utf8("here"));
    return b.build().buffer();
  }

  static ByteBuffer emptied() {
    ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
    DefaultRecordBatch.writeEmptyHeader(buffer, (byte) 2, 77, (short) 3, 40, 60, 66, 7, TimestampType.CREATE_TIME, TIME, true,
        false);
    buffer.flip();
    return buffer;
  }

  /** Keeps the records of a key that is not "alpha", as the log cleaner does. */
  static ByteBuffer compacted(ByteBuffer records) {
    ByteBufferOutputStream target = new ByteBufferOutputStream(4096);
    MemoryRecords.readableRecords(records).filterTo(new MemoryRecords.RecordFilter(TIME, 1000) {
      @Override
      protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
        return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
      }

      @Override
      protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
        return record.hasKey() && !Utils.utf8(record.key()).equals("alpha");
      }
    }, target.buffer(), BufferSupplier.NO_CACHING);
    ByteBuffer buffer = target.buffer();
    buffer.flip();
    return buffer;
  }

  static String base64(ByteBuffer bytes) {
    return bytes == null ? "null" : "\"" + Base64.getEncoder().encodeToString(Utils.toArray(bytes)) + "\"";
  }

  static String crcOf(byte[] bytes) {
    java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
    crc.update(bytes);
    return Long.toString(crc.getValue());
  }

  /** The bytes, each batch's header, each record as Kafka reads it (of more than ten: a checksum only). */
  static void emit(String name, ByteBuffer bytes) {
    List<String> batches = new ArrayList<>();
    for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes.duplicate()).batches()) {
      batch.ensureValid();
      List<String> records = new ArrayList<>();
      int count = 0;
      StringBuilder digest = new StringBuilder();
      for (Record record : batch) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
          ByteBuffer value = header.value() == null ? null : ByteBuffer.wrap(header.value());
          headers.add("[" + base64(ByteBuffer.wrap(utf8(header.key()))) + ", " + base64(value) + "]");
        }
        String line = "{ \"offset\": " + record.offset() + ", \"timestamp\": " + record.timestamp() + ", \"key\": "
            + base64(record.key()) + ", \"value\": " + base64(record.value()) + ", \"headers\": ["
            + String.join(", ", headers) + "] }";
        count++;
        records.add("          " + line);
        digest.append(record.offset()).append(' ').append(record.timestamp()).append(' ').append(base64(record.key()))
            .append(' ').append(base64(record.value())).append('\n');
      }
      batches.add("      {\n        \"magic\": " + batch.magic() + ", \"lastOffset\": " + batch.lastOffset()
          + ", \"nextOffset\": " + batch.nextOffset() + ", \"maxTimestamp\": " + batch.maxTimestamp()
          + ", \"producerId\": \"" + batch.producerId() + "\", \"producerEpoch\": " + batch.producerEpoch()
          + ", \"baseSequence\": " + batch.baseSequence() + ", \"leaderEpoch\": " + batch.partitionLeaderEpoch()
          + ",\n        \"codec\": " + batch.compressionType().id + ", \"transactional\": " + batch.isTransactional()
          + ", \"control\": " + batch.isControlBatch() + ", \"count\": " + count
          + ", \"crc32cOfRecords\": " + crcOf(utf8(digest.toString()))
          + ",\n        \"records\": [\n" + String.join(",\n", count > 10 ? List.of() : records) + "\n        ]\n      }");
    }
    out.add("  {\n    \"name\": \"" + name + "\",\n    \"bytes\": " + base64(bytes) + ",\n    \"batches\": [\n"
        + String.join(",\n", batches) + "\n    ]\n  }");
  }
}
