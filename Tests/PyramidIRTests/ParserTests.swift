// What the parser refuses, with the exact place and words: a reader of an error message must find the spot at once.

import PyramidIR
import Testing

/// `smallestText` with one replacement, and the error that it must give.
struct Misspelling: Sendable, CustomTestStringConvertible {
  let old, new, error: String

  init(_ old: String, _ new: String, _ error: String) {
    (self.old, self.new, self.error) = (old, new, error)
  }

  var testDescription: String { error }

  var text: String {
    let parts = smallestText.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
    return parts.joined(separator: new)
  }
}

@Suite struct ParserTests {
  @Test func theSmallestTextIsAGraph() throws {
    let graph = try Graph.parse(smallestText)
    try graph.verify()
    #expect(graph.nodes.count == 9)
    #expect(graph.name == "small")
  }

  @Test(arguments: [
    Misspelling("graph", "grahp", "f:1:1: expected `graph`, found `grahp`"),
    Misspelling("@small", "small", "f:1:7: expected `@` and the graph's name, found `small`"),
    Misspelling("version 1", "version 2", "f:1:22: version 2 is not known, expected 1"),
    Misspelling("layers 1, ", "", "f:2:59: model lacks the attribute `layers`"),
    Misspelling("layers 1", "layer 1", "f:2:68: model lacks the attribute `layers`"),
    Misspelling("layers 1", "layers 1, depth 2", "f:2:25: model has no attribute `depth`"),
    Misspelling("layers 1", "layers 1, layers 2", "f:2:25: a second `layers`"),
    Misspelling("layers 1", "layers", "f:2:21: expected the value of `layers`, found `,`"),
    Misspelling("layers 1", "layers 1.5", "f:2:22: `layers` is 1.5, expected an integer of 64 bits"),
    Misspelling(
      "layers 1", "layers 99999999999999999999",
      "f:2:22: `layers` is 99999999999999999999, expected an integer of 64 bits"),
    Misspelling("dim B0", "dimm B0", "f:3:3: `dimm` begins nothing in a graph (did you mean `dim`?)"),
    Misspelling("dim T0", "dim B0", "f:4:7: B0 is declared twice"),
    Misspelling("dim T0", "dim X0", "f:4:7: `X0` is not a dim, expected B or T and a number"),
    Misspelling("dim T0", "dim T00", "f:4:7: `T00` is not a dim, expected B or T and a number"),
    Misspelling("T0 <= 8", "T0 < 8", "f:4:10: expected `<=`"),
    Misspelling("T0 <= 8", "T0 <= -8", "f:4:13: -8 is negative"),
    Misspelling("T0 <= 8", "T0 <= 9223372036854775808", "f:4:13: 9223372036854775808 does not fit in 64 bits"),
    Misspelling("T0 <= 8", "T0 <= 8\n  dim T1 <= T0 by %k", "f:5:19: no node makes %k, which should define T1"),
    Misspelling("#place", "#word", "f:6:10: #word is declared twice"),
    Misspelling("f32[9, 4]", "f64[9, 4]", "f:5:18: `f64` is not an element type, expected f32 or i32"),
    Misspelling("f32[9, 4]", "f32[9, 4, 2]", "f:5:28: more than two axes"),
    Misspelling("f32[9, 4]", "f32[]", "f:5:22: expected a dim or a size, found `]`"),
    Misspelling("\"word\"", "\"word", "f:5:30: the string does not end on its line"),
    Misspelling("\"word\"", "\"é\\q\"", "f:5:32: unknown escape, expected \\\" \\\\ \\n \\t or \\u{...}"),
    Misspelling("\"word\"", "\"\\u{110000}\"", "f:5:31: malformed `\\u{...}`"),
    Misspelling("\"word\"", "\"\\u{+1}\"", "f:5:31: malformed `\\u{...}`"),
    Misspelling("\"word\"", "\"word\" packed x", "f:5:44: expected the width of a panel, found `x`"),
    Misspelling(
      "embeddings", "embedings", "f:10:3: `embedings` begins nothing in a graph (did you mean `embeddings`?)"),
    Misspelling(
      "output {", "outptu {",
      "f:20:3: expected `entry`, `embeddings`, `layer`, `output`, `gradients` or `}`, found `outptu`"),
    Misspelling("token-ids", "token-id", "f:11:18: `token-id` is not an input (did you mean `token-ids`?)"),
    Misspelling("embed %ids", "embedd %ids", "f:15:10: `embedd` is not an operation (did you mean `embed`?)"),
    Misspelling("#word, #place", "#words, #place", "f:15:34: #words is not declared (did you mean `#word`?)"),
    Misspelling("%a, %segments", "%x, %segments", "f:21:23: no node before makes %x (did you mean `%a`?)"),
    Misspelling("first_rows %a", "first_rows %logits", "f:21:23: no node before makes %logits"),
    Misspelling("%cls, #w", "#w, %cls", "f:22:26: expected a weight, after which no value comes, found `%cls`"),
    Misspelling("%positions =", "%ids =", "f:12:5: %ids is made twice"),
    Misspelling("{heads 1}", "{head 1}", "f:18:49: attention lacks the attribute `heads`"),
    Misspelling(" {heads 1}", "", "f:18:10: attention lacks the attribute `heads`"),
    Misspelling(
      "{heads 1}", "{heads 1, emits received}", "f:18:52: attention has no attribute `emits` (did you mean `emit`?)"),
    Misspelling(
      "{heads 1}", "{heads 1, emit recieved}", "f:18:57: `emit` has no value `recieved` (did you mean `received`?)"),
    Misspelling("{heads 1}", "{heads 1 2}", "f:18:43: `heads` takes one value"),
    Misspelling("{heads 1}", "{heads one}", "f:18:49: `heads` is one, expected an integer of 64 bits"),
    Misspelling("#b : f32[B0, 2]", "#b", "f:22:34: expected `:` and the type, found the end of the line"),
    Misspelling("f32[B0, 2]\n", "f32[B0, \n 2]\n", "f:22:44: expected a dim or a size, found the end of the line"),
    Misspelling("f32[B0, 2]\n", "f32[B0, 2] ", "f:22:52: expected the end of the node, found `classify`"),
    Misspelling("f32[B0, 2]", "f32[B0, 2], f32[B0]", "f:22:35: 2 types for 1 results"),
    Misspelling("f32[B0, 2]", "f32[B0, 2] in 0, 1", "f:22:48: 2 slots for 1 results"),
    Misspelling("i32[B0 + 1]", "i32[B0 + 2]", "f:13:43: only B0 + 1 is an axis"),
    Misspelling(
      "classify %samples, %logits", "classify %samples, %logits : i32[B0]", "f:23:32: a type without a result"),
    Misspelling("%samples, %logits", "%samples, %logits ?", "f:23:32: unexpected `?`"),
    Misspelling("classify", "%1x, % = classify", "f:23:10: expected a name after `%`"),
    Misspelling(
      "%samples, %logits\n", "%samples, %logits\n  }\n} x ", "f:25:3: expected the end of the text, found `x`"),
    Misspelling("version 1 {", "version 1e {", "f:1:23: malformed number"),
  ])
  func aMisspellingIsReportedWhereItStands(misspelling: Misspelling) {
    let error = #expect(throws: ParseError.self) { try Graph.parse(misspelling.text, file: "f") }
    #expect(error?.description == misspelling.error)
  }

  @Test(arguments: [
    ("policies { exit @a exit @b }", "a second exit policy"),
    ("policies { quit @a }", "expected `exit` or `prune`, found `quit`"),
    ("policies { exit @a(x = 1, x = 2) }", "expected each parameter once, but 'x' is given twice, found `x`"),
    ("policies { exit @a(x = 1e999) }", "expected a finite number, found `1e999`"),
    ("policies { exit @a(x = [1, y]) }", "expected a number, found `y`"),
    ("policies { exit @A }", "expected a policy name in kebab-case, found `A`"),
    ("policies { exit @a(x = ; the value\n) }", "expected a number, a word, a list or a #symbol, found `)`"),
    ("policies { exit entropy }", "expected `@` and the policy's name, found `entropy`"),
    ("checkpoint \"a\" checkpoint \"b\"", "a second `checkpoint`"),
    ("target avx2 target avx2", "a second `target`"),
    ("slot 1 : 4 * T0", "slots are numbered from 0 in order, expected 0"),
    ("slot 0 : 4 * T1", "a slot scales with B0 or T0, not T1"),
    ("cost layer 0 paper 1 T0", "`paper` must follow the `executed` line of the same section"),
    (
      "cost layer 0 executed 1 T0 cost layer 1 paper 1 T0",
      "`paper` must follow the `executed` line of the same section"
    ),
    ("cost layer 0 planned 1 T0", "expected `executed` or `paper`, found `planned`"),
    ("cost output executed 1 T0 + ", "expected operations for each unit, found `dim`"),
  ])
  func aPreambleItemIsRefusedWithItsReason(item: String, message: String) {
    let text = Misspelling("dim B0", "\(item) dim B0", "").text
    let error = #expect(throws: ParseError.self) { try Graph.parse(text) }
    #expect(error?.message == message)
  }

  @Test func commentsAndBlanksGoAnywhereBetweenTokens() throws {
    let text = Misspelling("dim B0 <= 2", "dim ; a comment with \" and }\r\n\t B0\n<= ; another\n2", "").text
    #expect(try Graph.parse(text).description == Graph.parse(smallestText).description)
  }

  @Test func linesOfPartsAreRemembered() throws {
    let lines = try Graph.parseWithLines(smallestText).lines
    #expect(lines.line(of: .graph) == 1)
    #expect(lines.line(of: .dim(1)) == 4)
    #expect(lines.line(of: .weight(3)) == 8)
    #expect(lines.line(of: .node(0)) == 11)
    #expect(lines.line(of: .node(8)) == 23)
    #expect(lines.line(of: .slot(7)) == 1)
  }

  @Test func aTextTooLongIsRefusedBeforeItIsRead() {
    let text = String(repeating: " ", count: (16 << 20) + 1)
    let error = #expect(throws: ParseError.self) { try Graph.parse(text) }
    #expect(error?.message == "16777217 bytes of text, at most 16777216 are read")
  }

  @Test func tooManyDimsAreRefused() {
    let dims = (1...4096).map { "dim T\($0) <= T0" }.joined(separator: "\n")
    let error = #expect(throws: ParseError.self) {
      try Graph.parse(Misspelling("dim T0 <= 8", "dim T0 <= 8\n\(dims)", "").text)
    }
    #expect(error?.message == "more than 4096 dims")
  }

  @Test func tooManyNodesAreRefused() {
    let old = "%a = attention"
    let nodes = (1...16_384).map { "%x\($0) = add %h, %h : f32[T0, 4]" }.joined(separator: "\n")
    let error = #expect(throws: ParseError.self) { try Graph.parse(Misspelling(old, nodes + "\n" + old, "").text) }
    #expect(error?.message == "more than 16384 nodes")
  }

  /// Each would be compared with every operand that the node writes over.
  @Test func tooManyResultsAreRefused() {
    let results = (1...30_000).map { "%x\($0)" }.joined(separator: ", ")
    let error = #expect(throws: ParseError.self) { try Graph.parse(Misspelling("%positions", results, "").text) }
    #expect(error?.message == "more than 8 results")
  }

  /// Errors repeat names.
  @Test(arguments: [257, 1 << 20], ["%", ""]) func aNameTooLongIsRefused(count: Int, sign: String) {
    let name = sign + String(repeating: "n", count: count)
    let text = smallestText.replacing("%positions", with: name)
    let error = #expect(throws: ParseError.self) { try Graph.parse(text, file: "f") }
    #expect(error?.description == "f:12:\(5 + sign.count): a name of \(count) bytes, at most 256 are read")
  }

  @Test func anErrorRepeatsTheBeginningOfWhatIsLong() {
    let text = smallestText.replacing("%positions", with: String(repeating: "7", count: 1 << 20))
    let error = #expect(throws: ParseError.self) { try Graph.parse(text, file: "f") }
    #expect(error?.message.utf8.count == 1003 && error?.message.hasSuffix("7...") == true)
  }

  @Test func theLongestNameIsRead() throws {
    let name = "%" + String(repeating: "n", count: 256)
    let graph = try Graph.parse(smallestText.replacing("%positions", with: name))
    try graph.verify()
    #expect(try Graph.parse(graph.description).description == graph.description)
  }

  @Test(arguments: ["", "graph", "graph @a version 1 {", "; only a comment"])
  func aTextThatEndsTooEarlySaysSo(text: String) {
    let error = #expect(throws: ParseError.self) { try Graph.parse(text) }
    #expect(error?.message.hasSuffix("found the end of the text") == true)
  }
}
