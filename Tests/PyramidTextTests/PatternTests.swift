// Patterns that somebody made to be slow, and the matches of any others, which must be those of trying everything.

import Testing

@testable import PyramidText

@Suite struct `A search for a pattern` {
  private func matches(_ pattern: CompiledPattern, _ text: String) -> [Range<Int>] {
    var found: [Range<Int>] = []
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      pattern.forEachMatch(in: bytes) { match in found.append(match) }
    }
    return found
  }

  /// Where a match ends by definition: each item takes as much as those after it allow. Of ASCII alone.
  private func endByTrying(_ items: ArraySlice<CompiledPattern.Item>, _ text: [UInt8], _ start: Int) -> Int? {
    guard let item = items.first else { return start }
    let rest = items.dropFirst()
    func isMember(_ place: Int) -> Bool { place < text.count && item.set.contains(UInt32(text[place])) }
    if let mustHold = item.lookahead { return isMember(start) == mustHold ? endByTrying(rest, text, start) : nil }
    var count = 0
    while count < item.most, isMember(start + count) { count += 1 }
    while count >= item.least {
      if let found = endByTrying(rest, text, start + count) { return found }
      count -= 1
    }
    return nil
  }

  private func matchesByTrying(_ pattern: CompiledPattern, _ text: String) -> [Range<Int>] {
    let text = Array(text.utf8)
    var (found, start) = ([Range<Int>](), 0)
    while start < text.count {
      var end: Int?
      for items in pattern.alternatives where end == nil { end = endByTrying(items[...], text, start) }
      if let end {
        found.append(start..<end)
        start = end
      } else {
        start += 1
      }
    }
    return found
  }

  @Test func `finds what trying everything finds`() {
    let sets = ["a", "b", "[ab]", "[^a]", "\\s"]
    let others = ["(?!a)", "(?=b)", "(a|bb)", "(ab|b)?", "|"]
    let repetitions = ["", "", "", "?", "*", "+", "{1,3}", "{2}"]
    let letters = ["a", "b", " ", "\n"]
    var compared = 0
    for index in 0..<400 {
      var (draw, expression) = (Draw(index: index), "")
      for _ in 0...draw.below(5) {
        if draw.below(3) > 0 {
          expression += sets[draw.below(sets.count)] + repetitions[draw.below(repetitions.count)]
        } else {
          expression += others[draw.below(others.count)]
        }
      }
      guard let pattern = try? CompiledPattern(.expression(expression)) else { continue }
      compared += 1
      for _ in 0..<2 {
        var text = ""
        for _ in 0..<draw.below(8) {
          let letter = letters[draw.below(letters.count)]
          text += String(repeating: letter, count: 1 + draw.below(4))
        }
        #expect(matches(pattern, text) == matchesByTrying(pattern, text), "\(expression) in \(text.debugDescription)")
      }
    }
    #expect(compared > 150)
  }

  /// From each place of a run the whole run was tried: minutes for each of these texts.
  @Test(.timeLimit(.minutes(1)), arguments: [" +\\.", "\\s*\\S\\S", "a? +(?=a)", "[\\s\\n]{1,3}\\s+\\.", " +a|x"])
  func `takes time in proportion to the text`(expression: String) throws {
    let pattern = try CompiledPattern(.expression(expression))
    #expect(matches(pattern, String(repeating: " ", count: 10_000)).isEmpty)
  }

  static let slow: [(String, String)] = [
    ("a*a*a*a*a*a*a*a*a*a*b", "two repetitions without an end before what must follow"),
    (String(repeating: "a?", count: 30) + String(repeating: "a", count: 30), "in more than 64 ways"),
    ("a{0,64}b", "in more than 64 ways"), ("a{9000}", "more than 4096 comparisons at a character"),
    (
      String(repeating: "(a|b)", count: 8) + String(repeating: "a", count: 1960), "alternatives of more than 8192 parts"
    ),
  ]

  @Test(arguments: slow)
  func `that could take more is refused`(expression: String, problem: String) {
    let error = #expect(throws: TokenizerError.self) { try CompiledPattern(.expression(expression)) }
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "none")")
  }

  /// Each character took a frame of the stack.
  @Test func `for a text is bounded by its length`() throws {
    let most = String(repeating: "a", count: 1024)
    #expect(try matches(CompiledPattern(.text(most)), most + "b" + most) == [0..<1024, 1025..<2049])
    let error = #expect(throws: TokenizerError.self) { try CompiledPattern(.text(most + "a")) }
    #expect(error?.description == "1025 bytes of a pattern; at most 1024 are allowed")
  }
}
