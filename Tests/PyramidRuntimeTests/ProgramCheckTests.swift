// Graphs that the verifier lets pass, since they mean something, and that must not run: they would answer a sample
// twice, or record more than there is room for. mp-compile never writes them.

import PyramidIR
@testable import PyramidRuntime
import Testing

@Suite struct `A program is refused` {
  private static func graph(
    layer0: String, layer1: String = "", dims: String = "", policies: String = "", tokens: Int = 32
  ) -> String {
    """
    graph @forged version 1 {
      model bert {layers 2, hidden 4, heads 1, intermediate 4, classes 2}
      target portable
      policies {
        \(policies)
      }
      dim B0 <= 4
      dim T0 <= \(tokens)
      \(dims)
      weight #word : f32[9, 4] = "word"
      weight #place : f32[8, 4] = "place"
      weight #w : f32[2, 4] = "w"
      weight #b : f32[2] = "b"
      embeddings {
        %ids = input token-ids : i32[T0]
        %positions = input positions : i32[T0]
        %segments = input segments : i32[B0 + 1]
        %samples = input samples : i32[B0]
        %h = embed %ids, %positions, #word, #place : f32[T0, 4]
      }
      layer 0 {
        %x = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4]
        \(layer0)
      }
      layer 1 {
        %y = attention %x, %x, %x, %segments {heads 1} : f32[T0, 4]
        \(layer1)
      }
      output {
        %cls = first_rows %y, %segments : f32[B0, 4]
        %logits = linear %cls, #w, #b : f32[B0, 2]
        classify %samples, %logits
      }
    }
    """
  }

  private func expectRefused(_ text: String, _ words: String) throws {
    let graph = try Graph.parse(text, file: "forged")
    try graph.verify()
    do {
      try ProgramCheck(graph: graph, target: .portable).run()
      Issue.record("passed")
    } catch let error as RuntimeError {
      #expect(error.description.contains(words), "\(error)")
    }
  }

  private static let head = """
    %first = first_rows %x, %segments : f32[B0, 4]
    %early = linear %first, #w, #b : f32[B0, 2]
    """

  @Test func `when samples that have left are answered again`() throws {
    try expectRefused(
      Self.graph(
        layer0: Self.head + "\n%stay = decide_exit @entropy %samples, %early {layer 0} : i32[B1]",
        dims: "dim B1 <= B0 by %stay", policies: "exit @entropy(threshold = 0.1)"),
      "is not about the samples of B1")
  }

  @Test(arguments: [
    (1 << 17, 64, nil), (1 << 17, 65, "its tables of positions have 34078720 numbers, more than 33554432"),
  ])
  func `when its tables of positions are larger than any model's`(tokens: Int, count: Int, words: String?) throws {
    let turned = (0..<count).map {
      "%turned\($0) = rotate %x, %positions {size 4, columns 4, base \($0 + 100).5} : f32[T0, 4]"
    }
    let text = Self.graph(layer0: turned.joined(separator: "\n"), tokens: tokens)
    // As many as there may be get past this check, to one that wants kernels.
    try expectRefused(text, words ?? "names no kernel")
  }

  @Test func `when a layer prunes twice, and when the last one prunes`() throws {
    let prune = "prune @random-prune(fraction = 0.5)"
    try expectRefused(
      Self.graph(
        layer0: """
          %keep = decide_prune @random-prune %segments {layer 0} : i32[T1]
          %again = decide_prune @random-prune %segments {layer 0} : i32[T2]
          """, dims: "dim T1 <= T0 by %keep\ndim T2 <= T0 by %again", policies: prune),
      "prunes twice in a layer")
    try expectRefused(
      Self.graph(
        layer0: "", layer1: "%keep = decide_prune @random-prune %segments {layer 1} : i32[T1]",
        dims: "dim T1 <= T0 by %keep", policies: prune),
      "or in the last one")
  }

  @Test func `when a layer decides exits twice, and when the last one does`() throws {
    let exit = "exit @entropy(threshold = 0.1)"
    try expectRefused(
      Self.graph(
        layer0: Self.head + """

          %p = softmax %early : f32[B0, 2]
          %stay = decide_exit @entropy %samples, %early {layer 0} : i32[B1]
          %left = compact %samples, %stay : i32[B1]
          %earlyLeft = compact %early, %stay : f32[B1, 2]
          %again = decide_exit @entropy %left, %earlyLeft {layer 0} : i32[B2]
          """, dims: "dim B1 <= B0 by %stay\ndim B2 <= B1 by %again", policies: exit),
      "decides exits twice in a layer")
    try expectRefused(
      Self.graph(
        layer0: Self.head, layer1: "%stay = decide_exit @entropy %samples, %early {layer 1} : i32[B1]",
        dims: "dim B1 <= B0 by %stay", policies: exit),
      "or in the last one")
  }

  /// Records are written by numbers that lie in memory which is taken again after their last reader.
  @Test func `when the numbers of samples are gone where something is recorded of them`() throws {
    func recorded(_ reader: String) throws -> [String] {
      let text = Self.graph(
        layer0: Self.head + """

          %stay = decide_exit @entropy %samples, %early {layer 0} : i32[B1]
          %left = compact %samples, %stay : i32[B1]
          %earlyLeft = compact %early, %stay : f32[B1, 2]
          %kept = keep_samples %segments, %stay : i32[T1]
          %places = compact_segments %segments, %kept, %stay : i32[B1 + 1]
          %keep = decide_prune @random-prune %places {layer 0, after exit} : i32[T2]
          %again = decide_exit @entropy \(reader), %earlyLeft {layer 0} : i32[B2]
          """, dims: "dim B1 <= B0 by %stay\ndim T1 <= T0 by %kept\ndim T2 <= T1 by %keep\ndim B2 <= B1 by %again",
        policies: "exit @entropy(threshold = 0.1)\nprune @random-prune(fraction = 0.5)")
      let graph = try Graph.parse(text, file: "forged")
      return try ProgramCheck(graph: graph, target: .portable).recordedSamples().compactMap {
        $0.map { graph[$0].name }
      }
    }
    #expect(try recorded("%left") == ["samples", "samples", "left"])
    let error = #expect(throws: RuntimeError.self) { try recorded("%stay") }
    #expect(error?.description.contains("the numbers of the samples of B1 are gone when they are needed") == true)
  }

  @Test(arguments: [
    ("", "a linear names no kernel"), (" by linear.avx2", "linear.avx2 is not a kernel of portable"),
    (" by linear.portable.bf16", "linear.portable.bf16 can't read #w, stored as f32"),
  ])
  func `when a node's kernel is missing, of another set, or of another precision than its weight`(
    kernel: String, words: String
  ) throws {
    let text = Self.graph(layer0: "", policies: "")
      .replacing("policies {\n    \n  }", with: "")
      .replacing("4]\n    \n", with: "4] by attention.portable\n")
      .replacing("#place : f32[T0, 4]", with: "#place : f32[T0, 4] by embed.portable")
      .replacing("#b : f32[B0, 2]", with: "#b : f32[B0, 2]\(kernel)")
    try expectRefused(text, words)
  }
}
