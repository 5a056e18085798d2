// Artefacts with a valid integrity record whose content mp-compile would never write: another instruction set's name,
// labels that do not fit, bounds beyond all memory. They can come from another build of the tools, or be made
// to do harm.

import MagicPyramid
import PyramidTestSupport
import Testing

/// A change to what an artefact says, with its integrity record made anew.
struct Forgery: Sendable, CustomTestStringConvertible {
  let name: String
  /// Part of the error, that only the check says which the forgery is for.
  let words: String
  /// Texts to replace in the graph.
  var replacing: [(String, String)] = []
  var labels: [String]?
  var drops: String?

  var testDescription: String { name }

  private static let memory = "an admitted dim needs a constant bound of 1 to 2147483647"
  private static let attention = "an attention has other heads or another width than the model"
  /// An instruction set of other machines.
  private static let foreign = InstructionSet.allCases.first { !$0.isSupported }!.rawValue

  static let all = graphs + sizes + contents

  private static let graphs = [
    Forgery(
      name: "another instruction set",
      words: InstructionSet.avx2.isSupported ? "is not laid out for avx2" : "which this CPU does not run",
      replacing: [("target portable", "target avx2"), (".portable", ".avx2")]),
    Forgery(
      name: "an instruction set of another machine", words: "compiled for \(foreign), which this CPU does not run",
      replacing: [("target portable", "target \(foreign)"), (".portable", ".\(foreign)")]),
    Forgery(
      name: "an unknown instruction set", words: "`sparc` is not an instruction set",
      replacing: [("target portable", "target sparc")]),
    Forgery(
      name: "no instruction set", words: "graph: names no target", replacing: [("  target portable\n", "")]),
    Forgery(name: "no graph", words: "expected `graph`, found `grape`", replacing: [("graph @", "grape @")]),
    Forgery(
      name: "a value without memory", words: "has no slot; it was not compiled to the end",
      replacing: [(" in 2 by softmax.portable", " by softmax.portable")]),
    Forgery(
      name: "a layer without attention", words: "layer 1 has no attention",
      replacing: [
        (
          "first_attention %firstQuery1, %hidden0, %segments0, #l1.first.key.weight, #l1.first.value.weight, "
            + "#l1.first.value.bias {heads 2} : f32[B1, 8] in 8 by first_attention.portable",
          "activate %firstQuery1 {activation relu} : f32[B1, 8] in 8 by activate.portable"
        )
      ]),
    Forgery(
      name: "positions read as ids", words: "embed reads something else than the batch",
      replacing: [("embed %ids, %positions", "embed %positions, %ids")]),
    Forgery(
      name: "an unknown policy", words: "the exit policy 'no-such-policy', which is not built in",
      replacing: [("@entropy", "@no-such-policy")]),
    Forgery(
      name: "a parameter out of range", words: "policy 'entropy': threshold=7: expected",
      replacing: [("threshold = 0.1", "threshold = 7")]),
  ]

  private static let sizes = [
    Forgery(name: "another number of layers", words: "layer 2 has no nodes", replacing: [("layers 2", "layers 3")]),
    Forgery(
      name: "layers beyond counting", words: "layers is 9000000000000000000, expected 1 to 16777216",
      replacing: [("layers 2", "layers 9000000000000000000")]),
    Forgery(
      name: "heads that do not divide", words: "3 heads do not divide 8", replacing: [("heads 2", "heads 3")]),
    Forgery(
      name: "a batch beyond all memory", words: memory, replacing: [("T0 <= 8192", "T0 <= 9223372036854775807")]),
    Forgery(
      name: "samples beyond all memory", words: memory, replacing: [("B0 <= 64", "B0 <= 9223372036854775807")]),
    Forgery(name: "a batch beyond 32 bits", words: memory, replacing: [("T0 <= 8192", "T0 <= 4294967296")]),
    Forgery(
      name: "samples and tokens that overflow together", words: "admits 2147483647 rows of T0",
      replacing: [("T0 <= 8192", "T0 <= 2147483647")]),
    Forgery(
      name: "a token dim numbered beyond all memory", words: "dim T9000000000000000000 is numbered too high",
      replacing: [("T1", "T9000000000000000000")]),
    Forgery(
      name: "a sample dim numbered beyond all memory", words: "dim B9223372036854775807 is numbered too high",
      replacing: [("B1", "B9223372036854775807")]),
    Forgery(
      name: "a dim numbered as many as there may be", words: "dim T4096 is numbered too high",
      replacing: [("T1", "T4096")]),
    Forgery(
      name: "attention with more heads than the model", words: attention, replacing: [("{heads 2", "{heads 8")]),
    Forgery(
      name: "attention of first tokens with more heads than the model", words: attention,
      replacing: [("first.value.bias {heads 2", "first.value.bias {heads 4")]),
    Forgery(
      name: "a model smaller than its attention", words: attention,
      replacing: [("hidden 8, heads 2", "hidden 1, heads 1")]),
  ]

  private static let contents = [
    Forgery(
      name: "more classes than there are labels", words: "3 labels for 4 classes",
      replacing: [("classes 3", "classes 4")]),
    Forgery(
      name: "more classes than the head has", words: "a head has 3 classes, the model 4",
      replacing: [("classes 3", "classes 4")], labels: ["a", "b", "c", "d"]),
    Forgery(name: "no classes", words: "0 labels for 3 classes", labels: []),
    Forgery(name: "fewer labels than classes", words: "1 labels for 3 classes", labels: ["one"]),
    Forgery(
      name: "a weight of another precision than the file's", words: "has 192 F32 elements, expected",
      replacing: [("attention.self.value.weight\"", "attention.self.value.weight\" as int8")]),
    Forgery(
      name: "a weight of another size than the file's", words: "has 512 F32 elements, expected 520 F32",
      replacing: [("#embeddings.positions : f32[64, 8]", "#embeddings.positions : f32[65, 8]")]),
    Forgery(name: "a missing weight", words: "l0.qkv.weight: weight is missing", drops: "l0.qkv.weight"),
    Forgery(
      name: "a missing learned tensor", words: "prune.thresholds: learned tensor is missing",
      drops: "learned/prune.thresholds"),
  ]
}

@Suite struct `A forged artefact` {
  @Test(arguments: Forgery.all)
  func `is refused in one line`(forgery: Forgery) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("forged.mpc")
    try write(forgery, from: folder.write("whole.mpc", `A damaged artefact`.artefact.get().bytes), to: path)
    do {
      let logits = try SmallArtefact.logits(path)
      Issue.record("answers \(logits)")
    } catch {
      #expect(error is FormatError || error is RuntimeError || error is PolicyError, "\(error)")
      #expect("\(error)".contains(forgery.words), "\(error)")
      expectOneLine(error)
    }
  }

  @Test func `is what it was when nothing is changed`() throws {
    let folder = try TemporaryFolder()
    let artefact = try `A damaged artefact`.artefact.get()
    let path = folder.path("same.mpc")
    try write(Forgery(name: "none", words: ""), from: folder.write("whole.mpc", artefact.bytes), to: path)
    #expect(try SmallArtefact.logits(path) == artefact.logits)
  }

  private func write(_ forgery: Forgery, from original: String, to path: String) throws {
    let file = try SafetensorsFile(path: original)
    let header = try ArtefactHeader(reading: file)
    var graph = header.graph
    for (old, new) in forgery.replacing {
      let parts = graph.split(separator: old, omittingEmptySubsequences: false)
      try #require(parts.count > 1, "the graph has no '\(old)'")
      graph = parts.joined(separator: new)
    }
    let forged = ArtefactHeader(
      graph: graph, labels: forgery.labels ?? header.labels, tokenizer: header.tokenizer, maxTokens: header.maxTokens,
      learned: header.learned, checkpoint: header.checkpoint)
    let entries = ArtefactHeader.body(of: file).filter { $0.name != forgery.drops }
    if let drops = forgery.drops { try #require(file.entry(named: drops) != nil) }
    try forged.write(to: path, tensors: entries.map { TensorDeclaration($0.name, $0.type, $0.shape) }) { writer in
      for entry in entries { try writer.append(file.bytes(of: entry), to: entry.name) }
    }
  }
}
