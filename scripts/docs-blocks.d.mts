export interface Block {
  /** Where it begins, counted from 1. */
  readonly line: number
  /** What the fence says, such as `ts`. */
  readonly language: string
  /** What the comment in front of it says. */
  readonly marks: {
    readonly file?: string
    /** The page that the file belongs to, if it is not the one that the block is in. */
    readonly page?: string
    readonly prints?: true
    readonly tests?: true
    /** The only major of Effect that it is for. */
    readonly major?: number
    readonly unknown?: string
  }
  readonly lines: ReadonlyArray<string>
}

export const blocksOf: (file: string) => ReadonlyArray<Block>
