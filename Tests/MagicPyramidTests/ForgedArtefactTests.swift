// Artefacts with a valid integrity record whose content mp-compile would never write: another instruction set's name,
// labels that do not fit, bounds beyond all memory. They can come from another build of the tools, or be made
// to do harm.

import MagicPyramid
import PyramidTestSupport
import Testing

/// A change to what an artefact says, with its integrity record made anew.
struct Forgery: Sendable, CustomTestStringConvertible {
  let name: String
  /// Texts to replace in the graph.
  var replacing: [(String, String)] = []
  var labels: [String]?
  var drops: String?

  var testDescription: String { name }

  static let all = [
    Forgery(name: "another instruction set", replacing: [("target portable", "target avx2"), (".portable", ".avx2")]),
    Forgery(name: "an unknown instruction set", replacing: [("target portable", "target sparc")]),
    Forgery(name: "no graph", replacing: [("graph @", "grape @")]),
    Forgery(name: "another number of layers", replacing: [("layers 2", "layers 3")]),
    Forgery(name: "layers beyond counting", replacing: [("layers 2", "layers 9000000000000000000")]),
    Forgery(name: "heads that do not divide", replacing: [("heads 2", "heads 3")]),
    Forgery(name: "more classes than the head has", replacing: [("classes 3", "classes 4")]),
    Forgery(name: "a batch beyond all memory", replacing: [("T0 <= 8192", "T0 <= 9223372036854775807")]),
    Forgery(name: "samples beyond all memory", replacing: [("B0 <= 64", "B0 <= 9223372036854775807")]),
    Forgery(name: "a batch beyond 32 bits", replacing: [("T0 <= 8192", "T0 <= 4294967296")]),
    Forgery(name: "samples and tokens that overflow together", replacing: [("T0 <= 8192", "T0 <= 2147483647")]),
    Forgery(name: "a token dim numbered beyond all memory", replacing: [("T1", "T9000000000000000000")]),
    Forgery(name: "a sample dim numbered beyond all memory", replacing: [("B1", "B9223372036854775807")]),
    Forgery(name: "attention with more heads than the model", replacing: [("{heads 2", "{heads 8")]),
    Forgery(
      name: "attention of first tokens with more heads than the model",
      replacing: [("first.value.bias {heads 2", "first.value.bias {heads 4")]),
    Forgery(
      name: "a weight of another precision than the file's",
      replacing: [("attention.self.value.weight\"", "attention.self.value.weight\" as int8")]),
    Forgery(name: "a model smaller than its attention", replacing: [("hidden 8, heads 2", "hidden 1, heads 1")]),
    Forgery(name: "positions read as ids", replacing: [("embed %ids, %positions", "embed %positions, %ids")]),
    Forgery(name: "no classes", labels: []),
    Forgery(name: "fewer labels than classes", labels: ["one"]),
    Forgery(name: "an unknown policy", replacing: [("@entropy", "@no-such-policy")]),
    Forgery(name: "a parameter out of range", replacing: [("threshold = 0.1", "threshold = 7")]),
    Forgery(name: "a missing weight", drops: "l0.qkv.weight"),
    Forgery(name: "a missing learned tensor", drops: "learned/prune.thresholds"),
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
      expectOneLine(error)
    }
  }

  @Test func `is what it was when nothing is changed`() throws {
    let folder = try TemporaryFolder()
    let artefact = try `A damaged artefact`.artefact.get()
    let path = folder.path("same.mpc")
    try write(Forgery(name: "none"), from: folder.write("whole.mpc", artefact.bytes), to: path)
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
