// The result of tokenising one text or pair, and the rule that shortens it to a limit. The rule is apart from the
// tokenizer because it is arithmetic on lengths alone and is tested as such.

/// The ids of one text or one pair of texts, special tokens included.
public struct Encoding: Sendable, Equatable {
  /// Token ids: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, or what the tokenizer's template says.
  public var ids: [Int32]
  /// Segment ids, as many as `ids`: by the template, as a rule 1 for the second text and its `[SEP]`, else 0.
  public var typeIDs: [Int32]
  /// How many ids there would be without a limit.
  public var fullLength: Int
  /// Whether the input was not valid UTF-8 and was repaired with U+FFFD, as `String(decoding:as:)` does.
  public var isRepaired = false
  /// Whether the limit took ids away.
  public var isTruncated: Bool { ids.count < fullLength }
  /// What a text has whose ids would be too many to count: none are there, of `Int.max`.
  package static let tooLong = "perhaps more than 256 MiB when it is normalised"
}

/// How many tokens of each text of a pair fit in `budget` under "longest first": the longer text gives way until
/// the two are equal, then both halve the budget and the originally longer one (the second, on a tie) gets the odd
/// token. This is the closed form that Hugging Face tokenizers uses.
func longestFirst(_ first: Int, _ second: Int, budget: Int) -> (first: Int, second: Int) {
  guard first + second > budget else { return (first, second) }
  let shorter = min(first, second)
  let half = budget / 2
  let (low, high) = shorter <= half ? (shorter, budget - shorter) : (half, budget - half)
  return first > second ? (high, low) : (low, high)
}

/// The same where the longer text loses one token at a time, on a tie the second, as transformers does in Python: the
/// odd token is the first text's.
func longestFirstOneByOne(_ first: Int, _ second: Int, budget: Int) -> (first: Int, second: Int) {
  guard first + second > budget else { return (first, second) }
  let half = budget / 2
  if first <= budget - half { return (first, budget - first) }
  if second <= half { return (budget - second, second) }
  return (budget - half, half)
}
