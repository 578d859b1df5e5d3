import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.apache.kafka.common.utils.Utils;

/**
 * Record batches by Kafka's own code, one request after the other: frames of an int32 length and that many bytes on
 * stdin, the same on stdout. An answer begins with 0, or with 1 and is the name of an exception, then. `kafkaRecords.ts` is
 * the other side.
 */
public class KafkaRecords {
  public static void main(String[] args) throws Exception {
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
    DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
    while (true) {
      byte[] request;
      try {
        request = new byte[in.readInt()];
      } catch (EOFException end) {
        return;
      }
      in.readFully(request);
      byte[] answer;
      try {
        answer = answer(ByteBuffer.wrap(request));
      } catch (Throwable refusal) {
        answer = utf8("\u0001" + refusal);
      }
      out.writeInt(answer.length);
      out.write(answer);
      out.flush();
    }
  }

  static byte[] answer(ByteBuffer request) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream answer = new DataOutputStream(bytes);
    answer.writeByte(0);
    switch (request.get()) {
      case 0 -> answer.write(Utils.toArray(encode(request)));
      case 1 -> decode(request.slice(), answer);
      case 2 -> answer.write(Utils.toArray(marker(request)));
      default -> throw new IllegalArgumentException("no such request");
    }
    return bytes.toByteArray();
  }

  static ByteBuffer encode(ByteBuffer request) {
    byte magic = request.get();
    CompressionType type = CompressionType.forId(request.get());
    TimestampType timestamps = request.get() == 0 ? TimestampType.CREATE_TIME : TimestampType.LOG_APPEND_TIME;
    long appendTime = request.getLong();
    long base = request.getLong();
    long producerId = request.getLong();
    short epoch = request.getShort();
    int sequence = request.getInt();
    boolean transactional = request.get() != 0;
    int room = 1024 + 4 * request.remaining();
    MemoryRecordsBuilder builder = new MemoryRecordsBuilder(new ByteBufferOutputStream(room), magic,
        Compression.of(type).build(), timestamps, base,
        timestamps == TimestampType.LOG_APPEND_TIME ? appendTime : RecordBatch.NO_TIMESTAMP, producerId, epoch, sequence,
        transactional, false, 7, room);
    for (int left = request.getInt(); left > 0; left--) {
      long timestamp = request.getLong();
      byte[] key = part(request);
      byte[] value = part(request);
      Header[] headers = new Header[request.getInt()];
      for (int i = 0; i < headers.length; i++) {
        headers[i] = new RecordHeader(new String(part(request), StandardCharsets.UTF_8), part(request));
      }
      builder.append(timestamp, key, value, headers);
    }
    return builder.build().buffer();
  }

  static ByteBuffer marker(ByteBuffer request) {
    ControlRecordType type = request.get() == 0 ? ControlRecordType.ABORT : ControlRecordType.COMMIT;
    return MemoryRecords.withEndTransactionMarker(request.getLong(), request.getLong(), 7, request.getLong(),
        request.getShort(), new EndTransactionMarker(type, request.getInt())).buffer();
  }

  static void decode(ByteBuffer bytes, DataOutputStream answer) throws Exception {
    for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
      batch.ensureValid();
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      DataOutputStream records = new DataOutputStream(content);
      int count = 0;
      int controlType = -1;
      int coordinatorEpoch = -1;
      for (Record record : batch) {
        count++;
        records.writeLong(record.offset());
        records.writeLong(record.timestamp());
        part(records, record.key());
        part(records, record.value());
        records.writeInt(record.headers().length);
        for (Header header : record.headers()) {
          part(records, ByteBuffer.wrap(utf8(header.key())));
          part(records, header.value() == null ? null : ByteBuffer.wrap(header.value()));
        }
        if (batch.isControlBatch()) {
          ControlRecordType type = ControlRecordType.parse(record.key());
          controlType = type.type();
          if (type == ControlRecordType.ABORT || type == ControlRecordType.COMMIT) {
            coordinatorEpoch = EndTransactionMarker.deserialize(record).coordinatorEpoch();
          }
        }
      }
      answer.writeByte(batch.magic());
      answer.writeLong(batch.lastOffset());
      answer.writeLong(batch.nextOffset());
      answer.writeLong(batch.maxTimestamp());
      answer.writeLong(batch.producerId());
      answer.writeShort(batch.producerEpoch());
      answer.writeInt(batch.baseSequence());
      answer.writeInt(batch.partitionLeaderEpoch());
      answer.writeByte(batch.compressionType().id);
      answer.writeByte(batch.timestampType().id);
      answer.writeBoolean(batch.isTransactional());
      answer.writeBoolean(batch.isControlBatch());
      answer.writeInt(controlType);
      answer.writeInt(coordinatorEpoch);
      answer.writeInt(count);
      answer.write(content.toByteArray());
    }
  }

  static byte[] part(ByteBuffer from) {
    int length = from.getInt();
    if (length < 0) return null;
    byte[] bytes = new byte[length];
    from.get(bytes);
    return bytes;
  }

  static void part(DataOutputStream to, ByteBuffer bytes) throws Exception {
    to.writeInt(bytes == null ? -1 : bytes.remaining());
    if (bytes != null) to.write(Utils.toArray(bytes));
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
