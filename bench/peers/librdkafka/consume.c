/*
 * librdkafka reads a topic to its end and throws everything away: the near limit of what a client can do.
 *
 * The library is the one that the confluent-kafka package of Python brings along, which brings no header: the few
 * declarations are here. They belong to its stable ABI.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_message_s {
  int err;
  rd_kafka_topic_t *rkt;
  int32_t partition;
  void *payload;
  size_t len;
  void *key;
  size_t key_len;
  int64_t offset;
  void *_private;
} rd_kafka_message_t;

enum { CONSUMER = 1, CONF_OK = 0, BATCH = 10000, MAX_PARTITIONS = 1024 };
#define OFFSET_BEGINNING (-2)

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *name, const char *value, char *error, size_t error_size);
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *, char *error, size_t error_size);
rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *name, void *conf);
int rd_kafka_metadata(rd_kafka_t *, int all, rd_kafka_topic_t *only, const void **, int timeout_ms);
int rd_kafka_query_watermark_offsets(rd_kafka_t *, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                                     int timeout_ms);
int rd_kafka_consume_start_queue(rd_kafka_topic_t *, int32_t partition, int64_t offset, rd_kafka_queue_t *);
long rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int timeout_ms, rd_kafka_message_t **, size_t size);
void rd_kafka_message_destroy(rd_kafka_message_t *);
const char *rd_kafka_err2str(int);
const char *rd_kafka_version_str(void);

static int argc_;
static char **argv_;

static const char *argument(const char *name) {
  size_t length = strlen(name);
  for (int i = 1; i < argc_; i++)
    if (strncmp(argv_[i], name, length) == 0 && argv_[i][length] == '=') return argv_[i] + length + 1;
  return NULL;
}

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[512];
  if (value != NULL && rd_kafka_conf_set(conf, name, value, error, sizeof error) != CONF_OK) fail(error);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint32_t crc_table[256];

static void make_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
    crc_table[i] = crc;
  }
}

static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t length) {
  crc = ~crc;
  for (size_t i = 0; i < length; i++) crc = crc_table[(crc ^ bytes[i]) & 0xff] ^ (crc >> 8);
  return ~crc;
}

/* Reads the whole topic; with `checksum`, sums the CRCs of all records. */
static long read_topic(uint32_t *checksum) {
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", argument("brokers"));
  set(conf, "fetch.wait.max.ms", argument("maxWaitMillis"));
  set(conf, "fetch.message.max.bytes", argument("maxPartitionBytes"));
  set(conf, "fetch.max.bytes", argument("maxBytes"));
  rd_kafka_t *client = rd_kafka_new(CONSUMER, conf, error, sizeof error);
  if (client == NULL) fail(error);
  /* The simple consumer, which needs no group: what kcat uses. It waits a second for the leaders unless asked first. */
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argument("topic"), NULL);
  const void *metadata;
  if (rd_kafka_metadata(client, 0, topic, &metadata, 10000) != 0) fail("no metadata");
  int partitions = atoi(argument("partitions"));
  if (partitions > MAX_PARTITIONS) fail("too many partitions");
  static int64_t ends[MAX_PARTITIONS];
  int open = 0;
  for (int i = 0; i < partitions; i++) {
    int64_t low;
    /* Its own events about the end would come as late as the broker may hold back an answer without records. */
    if (rd_kafka_query_watermark_offsets(client, argument("topic"), i, &low, &ends[i], 10000) != 0) fail("no offsets");
    if (ends[i] > 0) open++;
    if (rd_kafka_consume_start_queue(topic, i, OFFSET_BEGINNING, queue) != 0) fail("cannot start");
  }

  static rd_kafka_message_t *messages[BATCH];
  long records = 0;
  double deadline = now() + 600;
  while (open > 0) {
    long count = rd_kafka_consume_batch_queue(queue, 5, messages, BATCH);
    if (count < 0 || now() > deadline) fail("not at the end of the topic in time");
    for (long i = 0; i < count; i++) {
      rd_kafka_message_t *message = messages[i];
      if (message->err != 0) fail(rd_kafka_err2str(message->err));
      records++;
      if (message->offset == ends[message->partition] - 1) open--;
      if (checksum != NULL)
        *checksum += crc32(crc32(0, message->key, message->key_len), message->payload, message->len);
      rd_kafka_message_destroy(message);
    }
  }
  /* Not destroyed: that takes its time, and the process ends anyway. */
  return records;
}

int main(int argc, char **argv) {
  argc_ = argc;
  argv_ = argv;
  double cpu = cpu_seconds(), start = now();
  long records = read_topic(NULL);
  double seconds = now() - start;
  cpu = cpu_seconds() - cpu;
  struct timeval ended;
  gettimeofday(&ended, NULL);
  /* A second time, not measured, to see that it was all of it. */
  uint32_t checksum = 0;
  make_crc_table();
  if (read_topic(&checksum) != records) fail("read more, or less, the second time");
  printf("{\"runtime\":\"librdkafka %s\",\"endedAt\":%.3f,\"figures\":{\"seconds\":%.6f,\"cpuSeconds\":%.6f},"
         "\"log\":{\"records\":%ld,\"checksum\":%u}}\n",
         rd_kafka_version_str(), ended.tv_sec * 1e3 + ended.tv_usec / 1e3, seconds, cpu, records, checksum);
  fflush(stdout);
  _Exit(0);
}
