export interface Block {
  /** Where it begins, counted from 1. */
  readonly line: number
  /** What the fence says, such as `ts`. */
  readonly language: string
  /** The comment in front of it, without its brackets. */
  readonly mark: string | undefined
  readonly lines: ReadonlyArray<string>
}

export const blocksOf: (file: string) => ReadonlyArray<Block>
