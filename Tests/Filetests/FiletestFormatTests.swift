// The runner itself: a filetest that can't fail proves nothing.

import Testing

@Suite struct FiletestFormatTests {
  private func filetest(_ text: String) throws -> Filetest { try Filetest(path: "", name: "t", text: text) }

  @Test func theFirstLineNamesTheSubtestAndItsArguments() throws {
    let file = try filetest("; test pass fuse-qkv, plan-memory\n; words\nbody\n")
    #expect(file.command == "pass")
    #expect(file.arguments == ["fuse-qkv", "plan-memory"])
    #expect(file.body == "body\n")
  }

  @Test(arguments: ["", "graph", "; tests verify\n", ";test verify\n"])
  func aFileWithoutASubtestIsRefused(text: String) {
    #expect(throws: FiletestFormatError.self) { try filetest(text) }
  }

  @Test func errorsMustMatchLineAndWords() throws {
    let file = try filetest("; test verify\none ; error: a; error: b\ntwo\n")
    let errors: [Diagnostics.Line] = [.init(number: 2, message: "b"), .init(number: 2, message: "a")]
    #expect(file.accepts(.errors(Diagnostics(lines: errors))))
    #expect(!file.accepts(.errors(Diagnostics(lines: [errors[0]]))))
    #expect(!file.accepts(.errors(Diagnostics(lines: errors + errors))))
    #expect(!file.accepts(.errors(Diagnostics(lines: [.init(number: 3, message: "b"), errors[1]]))))
    #expect(!file.accepts(.text("one\ntwo\n")))
  }

  @Test func withoutExpectationTheBodyIsExpected() throws {
    let file = try filetest("; test roundtrip\nbody ; comment\n")
    #expect(file.accepts(try file.run { $0.body }))
    #expect(!file.accepts(try file.run { _ in "other" }))
  }

  @Test func anExpectationIsComparedLineByLine() throws {
    let file = try filetest("; test run\nbody\n; expect\n; one\n;\n; two\n")
    #expect(file.accepts(.text("one\n\ntwo\n")))
    #expect(!file.accepts(.text("one\ntwo\n")))
  }

  @Test(arguments: [
    "; test run\n; words\n\nbody  ; error: a\nmore\n",
    "; test run\nbody ; error: x; error: y\n; expect\n; stale\n",
    "; test run\nbody\nmore\n; expect\n; other\n",
  ])
  func aBlessedFileAcceptsWhatItWasBlessedWith(text: String) throws {
    let first = try filetest(text)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let line = try #require(lines.firstIndex { $0.hasPrefix("body") }) + 1
    let errors = ["p", "q"].map { Diagnostics.Line(number: line, message: $0) }
    let outcomes: [Filetest.Outcome] = [
      .text("new\n\nlines\n"), .text("body\nmore\n"), .errors(Diagnostics(lines: errors)),
    ]
    for outcome in outcomes {
      let blessed = try filetest(first.blessed(with: outcome))
      #expect(blessed.accepts(outcome))
      #expect(blessed.body == first.body)
      #expect(blessed.blessed(with: outcome) == blessed.text)
    }
  }
}
