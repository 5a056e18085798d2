// Rules that would make a tokenizer, or a text under it, take time or memory without bound, and rules just below that.

import Testing

@testable import PyramidText

@Suite struct `The limits of a tokenizer` {
  typealias Change = @Sendable (inout TokenizerRules) -> Void

  private func rules(_ change: Change) -> TokenizerRules {
    var rules = TokenizerRules(
      vocabulary: Vocabulary(["[UNK]", "[CLS]", "[SEP]", "a"]), template: .bert(first: 1, separator: 2), unknownID: 0)
    change(&rules)
    return rules
  }

  private static func added(_ content: String, normalized: Bool = false) -> AddedToken {
    AddedToken(content: content, id: 3, normalized: normalized)
  }

  private static func letters(_ count: Int) -> String { String(repeating: "a", count: count) }

  private static func template(_ count: Int) -> TokenTemplate {
    var template = TokenTemplate.bert(first: 1, separator: 2)
    template.pair += [TokenTemplate.Piece](repeating: .token(2, type: 1), count: count - template.pair.count)
    return template
  }

  /// A map with one replacement, of `count` letters, for the letter x.
  private static func map(_ count: Int) -> [UInt8] {
    var units = [UInt32](repeating: 0, count: 0x200)
    // The root's children stand from 0x80 on; x is at 0x80 ^ 0x78, and its value at that ^ 1.
    units[0] = 0x80 << 10
    units[0xF8] = 0x78 | 0x100 | 1 << 10
    units[0xF9] = 1 << 31
    let bytes = units.flatMap { unit in (0..<4).map { UInt8(truncatingIfNeeded: unit >> UInt32(8 * $0)) } }
    let size = UInt32(bytes.count)
    let header = (0..<4).map { UInt8(truncatingIfNeeded: size >> UInt32(8 * $0)) }
    return header + bytes + Array(letters(count).utf8) + [0]
  }

  private static let grows = "the normaliser may make a text more than 256 times as long"

  static let refused: [(String, Change)] = [
    ("65 steps of the normaliser", { $0.normaliser = Array(repeating: .nmt, count: 65) }),
    ("65 steps of the splitter", { $0.splitter = Array(repeating: .whitespace, count: 65) }),
    ("65 parts of the template", { $0.template = template(65) }),
    ("1025 bytes of the text", { $0.normaliser = [.replace(.text(letters(1024)), with: letters(1025))] }),
    ("1025 bytes of the text", { $0.model = .wordPiece(continuingPrefix: letters(1025), maxWordScalars: 9) }),
    ("1025 bytes of the text", { $0.model = .bytePairs(BytePairRules(wordSuffix: letters(1025))) }),
    ("1025 bytes of a pattern", { $0.splitter = [.pattern(.text(letters(1025)), .removed, isInverted: false)] }),
    ("4097 bytes of token 1", { $0.vocabulary = Vocabulary(["[UNK]", letters(4097), "[SEP]", "a"]) }),
    ("513 bytes of the longest piece", { $0.vocabulary = Vocabulary(["[UNK]", letters(513), "[SEP]", "a"]) }),
    (
      "513 bytes of the longest piece",
      {
        $0.vocabulary = Vocabulary(["[UNK]", letters(513), "[SEP]", "a"])
        $0.model = .unigram(UnigramRules(scores: [0, 0, 0, 0], unknownID: 0))
      }
    ),
    // The cost of steps adds up.
    (
      "4097 comparisons at a character by all patterns",
      {
        $0.normaliser = Array(repeating: .replace(.text(letters(1024)), with: ""), count: 3)
        $0.splitter = ["b", letters(1024)].map { .pattern(.text($0), .removed, isInverted: false) }
      }
    ),
    ("4097 bytes of the token", { $0.addedTokens = [added(letters(4097))] }),
    (
      "8192 bytes of added token 3, normalised",
      {
        $0.normaliser = [.replace(.text("a"), with: "bb")]
        $0.addedTokens = [added(letters(4096), normalized: true)]
      }
    ),
    ("1228800 bytes of added tokens", { $0.addedTokens = (0..<300).map { added(letters(4093) + "\($0 + 100)") } }),
    (grows, { $0.normaliser = Array(repeating: .replace(.text("a"), with: "aa"), count: 40) }),
    (grows, { $0.normaliser = [.prepend(letters(256))] }),
    (grows, { $0.normaliser = [.precompiled(map(257))] }),
    (grows, { $0.normaliser = Array(repeating: .precompiled(map(17)), count: 2) }),
    // Of what the first one writes the second makes six characters.
    (
      grows,
      {
        let step = NormaliserStep.replace(.expression("[\u{30AD}\u{30E1}]"), with: "\u{3316}")
        $0.normaliser = [step, .form(.nfkd), step, .form(.nfkd), step, .form(.nfkd)]
      }
    ),
    (
      "the splitter may make a text more than 64 times as long",
      { $0.splitter = Array(repeating: .metaspace(mark: "\u{2581}", .always, cuts: true), count: 4) }
    ),
  ]

  @Test(arguments: refused.indices)
  func `refuse what is without measure`(index: Int) {
    let (problem, change) = Self.refused[index]
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(rules(change)) }
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "none")")
  }

  static let accepted: [Change] = [
    { $0.normaliser = Array(repeating: .nmt, count: 64) },
    { $0.splitter = Array(repeating: .whitespace, count: 64) },
    { $0.template = template(64) },
    { $0.normaliser = [.replace(.text(letters(1024)), with: letters(1024))] },
    { $0.vocabulary = Vocabulary(["[UNK]", letters(512), "[SEP]", "a"]) },
    {
      $0.normaliser = Array(repeating: .replace(.text(letters(1024)), with: ""), count: 2)
      $0.splitter = Array(repeating: .pattern(.text(letters(1024)), .removed, isInverted: false), count: 2)
    },
    { $0.addedTokens = [added(letters(4096), normalized: true)] },
    { $0.normaliser = [.precompiled(map(256))] },
    // ALBERT's, mT5's, Llama's.
    {
      $0.normaliser = [
        .replace(.text("``"), with: "\""), .form(.nfkd), .stripAccents, .lowercase, .precompiled(map(33)),
      ]
    },
    {
      $0.normaliser = [
        .precompiled(map(33)), .strip(left: false, right: true), .replace(.expression(" {2,}"), with: "\u{2581}"),
      ]
    },
    { $0.normaliser = [.prepend("\u{2581}"), .replace(.text(" "), with: "\u{2581}")] },
    // The patterns of GPT-2's, Llama 3's and DeBERTa's files.
    {
      $0.splitter = [
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", "\\s{2,}|[\\n\\r\\t]",
      ].map { SplitterStep.pattern(.expression($0), .isolated, isInverted: false) }
    },
  ]

  @Test(arguments: accepted.indices)
  func `leave room for what tokenizers have`(index: Int) throws {
    #expect(try Tokenizer(rules(Self.accepted[index])).encode("a", limit: 9).ids.count > 2)
  }

  /// Memory for what nobody writes: 256 b for each a.
  @Test func `hold for texts that a normaliser makes longer`() throws {
    let growing = rules { $0.normaliser = [.replace(.text("a"), with: String(repeating: "b", count: 256))] }
    let text = String(repeating: "c", count: (256 << 20) / 255 + 1)
    let tokenizer = try Tokenizer(growing)
    let encoding = tokenizer.encode(text, limit: 9)
    #expect(encoding.ids.isEmpty && encoding.fullLength == .max)
    let error = #expect(throws: TokenizerError.self) { try tokenizer.windows(text, length: 9, overlap: 1) }
    #expect(error?.description == "perhaps more than 256 MiB when it is normalised")
    #expect(tokenizer.encode("a", limit: 9).ids == [1, 0, 2])
    #expect(try Tokenizer(rules { _ in }).encode("a", limit: 9).ids == [1, 3, 2])
  }

  @Test(arguments: [
    (65_537, 4, 1, "65536"), (65_538, 4, 1, "65537 windows of 4 tokens; at most 65536 are allowed"),
    (65_538, 4, 0, "32769"),
    (41_024, 1026, 1023, "41041026 tokens in its windows together; at most 33554432 are allowed"),
  ])
  func `hold for windows that hardly move on`(count: Int, length: Int, overlap: Int, expected: String) throws {
    let tokenizer = try Tokenizer(rules { _ in })
    let text = String(repeating: "a ", count: count)
    var outcome = ""
    do { outcome = "\(try tokenizer.windows(text, length: length, overlap: overlap)?.count ?? 0)" } catch {
      outcome = "\(error)"
    }
    #expect(outcome == expected)
  }

  /// White space was walked over anew for each of its tokens: minutes for these texts.
  @Test(.timeLimit(.minutes(1)), arguments: [(false, true, 20_000), (true, true, 1), (true, false, 20_000)])
  func `hold for white space that tokens strip`(left: Bool, right: Bool, count: Int) throws {
    let blank = AddedToken(content: " ", id: 3, stripsLeft: left, stripsRight: right)
    let tokenizer = try Tokenizer(rules { $0.addedTokens = [blank] })
    #expect(tokenizer.encode(String(repeating: " ", count: 20_000), limit: 9).fullLength == count + 2)
  }
}

@Suite struct `Unigram pieces` {
  private func ids(_ word: String, _ pieces: [String], _ scores: [Double]) throws -> [Int32] {
    let model = try Unigram(Vocabulary(pieces), UnigramRules(scores: scores, unknownID: 0))
    var tokens = TokenSink(capacity: .max)
    Array(word.utf8).withUnsafeBufferPointer { model.encode($0, into: &tokens) }
    return tokens.kept
  }

  @Test(arguments: [(1000, 0), (999, 1)])
  func `of equal sums are the first that was found, in words longer than any piece`(count: Int, single: Int) throws {
    let found = try ids(String(repeating: "a", count: count), ["?", "a", "aa", "b"], [0, -1, -2, -1])
    #expect(found == [Int32](repeating: 1, count: single) + [Int32](repeating: 2, count: count / 2))
  }

  @Test func `join unknown neighbours, unless the run is a piece`() throws {
    let pieces = ["?", "a", "b", "\u{4DC1}\u{4DC1}"]
    #expect(try ids("a\u{4DC0}\u{4DC0}b\u{4DC0}", pieces, [0, -1, -1, -1]) == [1, 0, 2, 0])
    // Worse than two unknown characters, so that the way to the end does not take it.
    #expect(try ids("a\u{4DC1}\u{4DC1}b", pieces, [50, 50, 50, 40]) == [1, 3, 2])
  }
}
