/** The options of a topic that is created and checked. */
import type { TopicSettings } from "../../KafkaTopic.ts"
import { COMPACT, POLICY } from "../topicPolicy.ts"
import type { OptionCheck } from "./check.ts"
import { boolean, type Checked, group, integer, oneOf, type Option, type Spec } from "./spec.ts"

/** Configs that always have a `cleanup.policy`: this one, unless another one is given. */
export const configs = (
  policy: string
): Option<Readonly<Record<string, string>>, Readonly<Record<string, string>>> => ({
  read: (check, name, value) => {
    const given = check.object(name, value, "must be an object of strings")
    for (const [config, text] of Object.entries(given)) {
      if (typeof text !== "string") check.problem(`${name}.${config}`, "must be a string, as Kafka writes it")
      else check.wireText(`${name}.${config}`, config, text)
    }
    const checked = { [POLICY]: policy, ...given } as Readonly<Record<string, string>>
    if (String(checked[POLICY]).trim() === "") check.problem(`${name}.${POLICY}`, "must not be empty")
    return checked
  }
})

/**
 * The table of a topic's settings. A number of -1 stands for the broker's default. The configs that are read always
 * have a `cleanup.policy`.
 */
export const TOPIC_SETTINGS = {
  partitions: integer(-1, 1),
  // The request has 16 bits for it.
  replicationFactor: integer(-1, 1, { value: 0x7fff, text: "32767" }),
  configs: configs(COMPACT),
  onPolicyMismatch: oneOf("warn", "fail", "reconcile")
} satisfies Spec<TopicSettings>

/** Checked settings of a topic. */
export type CheckedTopic = Checked<typeof TOPIC_SETTINGS> & { readonly topic: string }

/** The topic part of the options of tables and writers. */
export const ENSURING = {
  ensureTopic: boolean(true),
  topicSettings: group<TopicSettings, typeof TOPIC_SETTINGS>(TOPIC_SETTINGS)
}

/** What to create and to check; `undefined` where the topic is to be taken as it is. */
export const checkedTopic = (
  check: OptionCheck,
  checked: Checked<typeof ENSURING> & { readonly topic: string },
  options: { readonly topicSettings?: TopicSettings }
): CheckedTopic | undefined => {
  if (checked.ensureTopic) return { topic: checked.topic, ...checked.topicSettings }
  if (options.topicSettings !== undefined) {
    check.problem("topicSettings", "contradicts ensureTopic: false, which takes the topic as it is")
  }
  return undefined
}
