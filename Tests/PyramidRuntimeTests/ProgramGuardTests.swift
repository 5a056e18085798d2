// Each guard of ProgramCheck and Program, broken once by a graph that the verifier lets pass: a guard that no test can
// reach is one that nobody misses when it goes. Guards on answers and decisions are in ProgramCheckTests.swift.

import PyramidIR
@testable import PyramidRuntime
import Testing

/// Replacements in the text of a graph that passes, and what is said of the result.
struct BrokenGraph: Sendable, CustomTestStringConvertible {
  let words: String
  let changes: [(String, String)]
  var testDescription: String { words }

  init(_ words: String, _ changes: (String, String)...) { (self.words, self.changes) = (words, changes) }

  /// The graph, verified.
  func graph(of text: String) throws -> Graph {
    var text = text
    for (old, new) in changes {
      try #require(text.contains(old), "the graph has no '\(old)'")
      text = text.replacing(old, with: new)
    }
    let graph = try Graph.parse(text, file: "broken")
    try graph.verify()
    return graph
  }
}

@Suite struct `A program's guards` {
  /// Everything that a program takes but slots, which come after its checks.
  private static let classifier = """
    graph @guarded version 1 {
      model bert {layers 2, hidden 4, heads 1, intermediate 4, classes 2}
      target portable
      dim B0 <= 4
      dim T0 <= 32
      weight #word : f32[9, 4] = "word"
      weight #place : f32[8, 4] = "place"
      weight #table : f32[9, 2] = "table"
      weight #w : f32[2, 4] = "w"
      weight #b : f32[2] = "b"
      embeddings {
        %ids = input token-ids : i32[T0]
        %positions = input positions : i32[T0]
        %segments = input segments : i32[B0 + 1]
        %samples = input samples : i32[B0]
        %h = embed %ids, %positions, #word, #place : f32[T0, 4] by embed.portable
      }
      layer 0 {
        %x = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4] by attention.portable
      }
      layer 1 {
        %y = attention %x, %x, %x, %segments {heads 1} : f32[T0, 4] by attention.portable
      }
      output {
        %cls = first_rows %y, %segments : f32[B0, 4]
        %logits = linear %cls, #w, #b : f32[B0, 2] by linear.portable
        classify %samples, %logits
      }
    }
    """

  private static let trainer = """
    graph @trained version 1 {
      model bert {layers 2, hidden 4, heads 1, intermediate 4, classes 2}
      purpose train
      target portable
      dim B0 <= 4
      dim T0 <= 32
      weight #word : f32[9, 4] = "word"
      weight #place : f32[8, 4] = "place"
      weight #square : f32[4, 4] = "square"
      weight #g : f32[4] = "g"
      weight #w : f32[2, 4] = "w"
      weight #b : f32[2] = "b"
      embeddings {
        %ids = input token-ids : i32[T0]
        %positions = input positions : i32[T0]
        %segments = input segments : i32[B0 + 1]
        %h = embed %ids, %positions, #word, #place : f32[T0, 4] by embed.portable
      }
      layer 0 {
        %x = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4] by attention.portable
      }
      output {
        %cls = first_rows %x, %segments : f32[B0, 4]
        %logits = linear %cls, #w, #b : f32[B0, 2] by linear.portable
        %targets = targets {width 2} : f32[B0, 2]
        %loss = cross_entropy %logits, %targets {scale 1} : f32[B0, 1]
      }
      gradients {
        embed_gradient %ids, %positions, %x, #word, #place
      }
    }
    """

  private func expectRefused(_ broken: BrokenGraph, of text: String) throws {
    let graph = try broken.graph(of: text)
    let error = #expect(throws: RuntimeError.self) {
      try ProgramCheck(graph: graph, target: #require(graph.target)).run()
    }
    #expect(error?.description.contains(broken.words) == true, "\(String(describing: error))")
  }

  /// What the graphs below differ from passes all checks, or these would say nothing.
  @Test func `let what is not broken pass`() throws {
    let whole = try BrokenGraph("nothing").graph(of: Self.classifier)
    try ProgramCheck(graph: whole, target: .portable).run()
    // Of operations that train, one may add to fewer tables.
    for added in ["%ids, %positions, %x, #word, #place\n", "%positions, %x, #place\n"] {
      let graph = try BrokenGraph("nothing", ("%ids, %positions, %x, #word, #place\n", added)).graph(of: Self.trainer)
      do { try ProgramCheck(graph: graph, target: .portable).run() } catch {
        #expect("\(error)".contains("names no kernel"), "\(error)")
      }
    }
  }

  private static let slots = (0...4096).map { "slot \($0) : 4 * T0" }.joined(separator: "\n")
  private static let second =
    "%h2 = embed %ids, %positions, #word, #place : f32[T0, 4] by embed.portable\n  }\n  layer 0"

  @Test(arguments: [
    BrokenGraph("admits 4194305 rows of T0, more than 4194304", ("T0 <= 32", "T0 <= 4194305")),
    BrokenGraph("admits 4194305 rows of B0, more than 4194304", ("B0 <= 4", "B0 <= 4194305")),
    BrokenGraph("its memory plan has more than 4096 slots", ("dim T0 <= 32", "dim T0 <= 32\n\(slots)")),
    BrokenGraph("or one of more than 67108864 bytes per row", ("T0 <= 32", "T0 <= 32\n  slot 0 : 67108865 * T0")),
    BrokenGraph("#w is not laid out for portable", ("= \"w\"", "= \"w\" packed 16")),
    BrokenGraph("#w is not laid out for avx2", ("target portable", "target avx2"), (".portable", ".avx2")),
    BrokenGraph(
      "#w is not laid out for avx2", ("target portable", "target avx2"), (".portable", ".avx2"),
      ("= \"w\"", "= \"w\" packed 64")),
    BrokenGraph("other heads or another width than the model", ("{heads 1}", "{heads 2}")),
    BrokenGraph("other heads or another width than the model", ("hidden 4", "hidden 8")),
    BrokenGraph("has 2 embed nodes, expected 1", ("}\n  layer 0", second)),
    BrokenGraph("embed reads something else than the batch", ("embed %ids, %positions", "embed %positions, %ids")),
    BrokenGraph("embed reads something else than the batch", ("embed %ids, %positions", "embed %ids, %ids")),
    BrokenGraph(
      "bag_logits reads something else than the batch",
      (
        "}\n  layer 0",
        "%bag = bag_logits %positions, %segments, #table, #b {separator 3, skip 3} : f32[B0, 2]\n  }\n  layer 0"
      )),
    BrokenGraph(
      "that have positions", ("T0 <= 32", "T0 <= 4194304"),
      (
        "}\n  layer 0",
        "%r = rotate %h, %positions {size 2, columns 4, base 10000} : f32[T0, 4] by rotate.portable\n  }\n  layer 0"
      )),
    BrokenGraph(
      "the first layer does not attend to the tokens that the entry left", ("embeddings {", "entry {"),
      ("dim T0 <= 32", "policies { prune @random-prune(fraction = 0.5) }\n  dim T0 <= 32\n  dim T1 <= T0 by %keep"),
      ("%h = embed", "%keep = decide_prune @random-prune %segments {at entry} : i32[T1]\n}\nembeddings {\n  %h = embed")
    ),
    BrokenGraph(
      "the first layer does not attend to the tokens that the entry left",
      (
        "%x = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4] by attention",
        "%x = add %h, %h : f32[T0, 4] by add"
      )),
  ])
  func `refuse a graph that classifies`(broken: BrokenGraph) throws {
    try expectRefused(broken, of: Self.classifier)
  }

  @Test(arguments: [
    BrokenGraph("has 4097 layers, more than 4096", ("layers 2", "layers 4097")),
    BrokenGraph("other heads or another width than the model", ("hidden 4", "hidden 8")),
    BrokenGraph(
      "other heads or another width than the model",
      (
        "gradients {",
        "gradients {\n %q, %k, %v = attention_gradient %h, %h, %h, %segments, %x {heads 2, rate 0, stream 0} : "
          + "f32[T0, 4], f32[T0, 4], f32[T0, 4]"
      )),
    BrokenGraph("has 2 embed nodes, expected 1", ("}\n  layer 0", second)),
    BrokenGraph(
      "embed_gradient adds to other rows than embed reads",
      ("%ids, %positions, %x, #word, #place\n", "%positions, %ids, %x, #word, #place\n")),
    BrokenGraph(
      "embed_gradient adds to other rows than embed reads",
      ("%ids, %positions, %x, #word, #place\n", "%ids, %x, #place\n")),
    BrokenGraph(
      "linear.portable.int8: training rounds the factors of products, to bf16, and nothing else",
      ("by linear.portable", "by linear.portable.int8")),
    BrokenGraph(
      "linear_add_norm.portable.bf16: training rounds the factors of products, to bf16, and nothing else",
      (
        "}\n  output",
        "%n = linear_add_norm %x, %x, #square, #g, #g, #g {epsilon 1e-12} : f32[T0, 4] by linear_add_norm.portable.bf16\n"
          + "  }\n  output"
      )),
    BrokenGraph(
      "linear_add_norm needs packed weights, which training has not",
      (
        "}\n  output",
        "%n = linear_add_norm %x, %x, #square, #g, #g, #g {epsilon 1e-12} : f32[T0, 4] by linear_add_norm.portable\n"
          + "  }\n  output"
      )),
  ])
  func `refuse a graph that trains`(broken: BrokenGraph) throws {
    try expectRefused(broken, of: Self.trainer)
  }

  @Test func `refuse a graph without an embedding`() throws {
    let text = """
      graph @bare version 1 {
        model bert {layers 1, hidden 4, heads 1, intermediate 4, classes 2}
        target portable
        dim B0 <= 4
        dim T0 <= 32
        weight #table : f32[9, 2] = "table"
        weight #b : f32[2] = "b"
        embeddings {
          %ids = input token-ids : i32[T0]
          %segments = input segments : i32[B0 + 1]
          %samples = input samples : i32[B0]
          %bag = bag_logits %ids, %segments, #table, #b {separator 3, skip 3} : f32[B0, 2]
        }
        layer 0 {
          %p = softmax %bag : f32[B0, 2] by softmax.portable
        }
        output {
          classify %samples, %p
        }
      }
      """
    try expectRefused(BrokenGraph("has 0 embed nodes, expected 1"), of: text)
  }

  @Test func `refuse a graph whose memory is not planned`() throws {
    let graph = try BrokenGraph("nothing").graph(of: Self.classifier)
    let error = #expect(throws: RuntimeError.self) {
      _ = try Program(graph, target: .portable) { (_: Weight) throws -> UnsafePointer<Float> in
        throw RuntimeError("a weight was asked for")
      }
    }
    let words = "%h has no slot; it was not compiled to the end"
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  /// What waits at a boundary is put away sample by sample: a thousand values over all layers of a model are enough.
  @Test(arguments: [(100, false), (1400, true)])
  func `refuse sections that carry more values than any model`(values: Int, isTooMuch: Bool) throws {
    let layers = 200
    let made = (0..<values).map { "    %a\($0) = activate %h {activation relu} : f32[T0, 4]\n" }.joined()
    let read = (0..<values).map { "    %s\($0) = add %a\($0), %a\($0) : f32[T0, 4]\n" }.joined()
    let between = (1..<layers - 1).map { "  layer \($0) {\n    %z\($0) = softmax %h : f32[T0, 4]\n  }\n" }.joined()
    let graph = try BrokenGraph(
      "", ("layers 2", "layers \(layers)"), ("  }\n  layer 0", made + "  }\n  layer 0"),
      ("  layer 1 {", between + "  layer \(layers - 1) {"), ("    %cls", read + "    %cls")
    ).graph(of: Self.classifier)
    let recorded = [ValueID?](repeating: nil, count: graph.nodes.count)
    do {
      let sections = try graph.programSections(location: { .slot($0.index) }, recorded: recorded)
      #expect(!isTooMuch && sections.last?.carried.count ?? 0 >= values)
    } catch {
      #expect(isTooMuch && "\(error)".contains("its sections carry more than 262144 values"), "\(error)")
    }
  }
}
