/*
 * Writes fixtures.json: groups at random, and what Kafka's own assignors give their members.
 *
 *   java -cp "<kafka>/libs/*" Fixtures.java > fixtures.json && npx prettier --write fixtures.json
 *
 * Made with Kafka 4.1. Of the cooperative sticky assignor it is the assignment that it tends to, with partitions that have
 * to wait for their owners: which partition goes to whom is its own choice, so tests compare how even it is and how many
 * partitions move.
 */

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractStickyAssignor;
import org.apache.kafka.common.TopicPartition;

public class Fixtures {
  record Member(String id, String instance, List<String> topics, List<TopicPartition> owned, int generation) {}

  static Map<String, Subscription> subscriptions(List<Member> members) {
    Map<String, Subscription> all = new HashMap<>();
    for (Member m : members) {
      Subscription s = new Subscription(m.topics, null, m.owned, m.generation, Optional.empty());
      if (m.instance != null) s.setGroupInstanceId(Optional.of(m.instance));
      all.put(m.id, s);
    }
    return all;
  }

  /** The cooperative sticky assignor, without the step that withholds what is to move. */
  static class Sticky extends AbstractStickyAssignor {
    @Override public String name() { return "sticky"; }
    @Override protected MemberData memberData(Subscription s) { return new MemberData(s.ownedPartitions(), s.generationId()); }
  }

  static String partitions(List<TopicPartition> list) {
    TreeMap<String, List<Integer>> byTopic = new TreeMap<>();
    for (TopicPartition tp : list) byTopic.computeIfAbsent(tp.topic(), t -> new ArrayList<>()).add(tp.partition());
    byTopic.values().forEach(Collections::sort);
    return byTopic.entrySet().stream()
        .map(e -> "{\"topic\":\"" + e.getKey() + "\",\"partitions\":" + e.getValue() + "}")
        .collect(Collectors.joining(",", "[", "]"));
  }

  static String assigned(AbstractPartitionAssignor assignor, Map<String, Integer> counts, List<Member> members) {
    return new TreeMap<>(assignor.assign(counts, subscriptions(members))).entrySet().stream()
        .map(e -> "\"" + e.getKey() + "\":" + partitions(e.getValue()))
        .collect(Collectors.joining(",", "{", "}"));
  }

  static String json(Member m) {
    return "{\"memberId\":\"" + m.id + "\"" + (m.instance == null ? "" : ",\"instanceId\":\"" + m.instance + "\"")
        + ",\"topics\":" + m.topics.stream().map(t -> "\"" + t + "\"").collect(Collectors.joining(",", "[", "]"))
        + ",\"owned\":" + partitions(m.owned) + ",\"generation\":" + m.generation + "}";
  }

  /** What members own is what they had in a group of other members, of which some are not there any more. */
  static List<Member> owning(Random random, List<Member> members, Map<String, Integer> counts) {
    List<Member> before = new ArrayList<>(members);
    Collections.shuffle(before, random);
    before = new ArrayList<>(before.subList(0, random.nextInt(before.size() + 1)));
    int strangers = random.nextInt(3);
    for (int i = 0; i < strangers; i++) before.add(new Member("gone-" + i, null, new ArrayList<>(counts.keySet()), List.of(), -1));
    if (before.isEmpty()) return members;
    Map<String, List<TopicPartition>> owned = new Sticky().assign(counts, subscriptions(before));
    List<Member> now = new ArrayList<>();
    for (Member m : members) {
      List<TopicPartition> own = owned.getOrDefault(m.id, List.of());
      now.add(new Member(m.id, m.instance, m.topics, own, own.isEmpty() && random.nextBoolean() ? -1 : 7));
    }
    return now;
  }

  public static void main(String[] args) {
    Random random = new Random(20240229);
    List<String> cases = new ArrayList<>();
    for (int n = 0; n < 60; n++) {
      Map<String, Integer> counts = new TreeMap<>();
      int topics = 1 + random.nextInt(4);
      for (int t = 0; t < topics; t++) counts.put("topic-" + (char) ('a' + t), random.nextInt(9));
      boolean equal = random.nextBoolean();
      List<Member> members = new ArrayList<>();
      int size = 1 + random.nextInt(6);
      for (int m = 0; m < size; m++) {
        List<String> subscribed = new ArrayList<>();
        for (String topic : counts.keySet()) if (equal || random.nextInt(3) > 0) subscribed.add(topic);
        Collections.shuffle(subscribed, random);
        String instance = random.nextInt(4) == 0 ? "instance-" + random.nextInt(10) + m : null;
        members.add(new Member("member-" + random.nextInt(100) + "-" + m, instance, subscribed, List.of(), -1));
      }
      counts.values().removeIf(count -> count == 0);
      members = owning(random, members, counts);
      cases.add("{\"counts\":" + counts.entrySet().stream()
              .map(e -> "\"" + e.getKey() + "\":" + e.getValue()).collect(Collectors.joining(",", "{", "}"))
          + ",\"members\":" + members.stream().map(Fixtures::json).collect(Collectors.joining(",", "[", "]"))
          + ",\"range\":" + assigned(new RangeAssignor(), counts, members)
          + ",\"roundrobin\":" + assigned(new RoundRobinAssignor(), counts, members)
          + ",\"sticky\":" + assigned(new Sticky(), counts, members) + "}");
    }
    System.out.println("[" + String.join(",\n", cases) + "]");
  }
}
