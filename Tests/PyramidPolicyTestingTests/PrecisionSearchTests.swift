// Which parts of a model end up in which format, on a model whose second layer can't be rounded.

import PyramidFormats
import PyramidTestSupport
import Testing

@testable import PyramidPolicyTesting

@Suite struct PrecisionSearchTests {
  private static let scene = Result { try PrecisionScene() }

  private func search(
    _ path: String? = nil, data: String? = nil, maxDrop: Double, target: InstructionSet? = nil
  ) throws -> (PrecisionSearch, Compilation) {
    let scene = try Self.scene.get()
    let compilation = try Compilation(
      checkpoint: path ?? scene.checkpoint,
      options: try target.map { CompileOptions(target: $0) } ?? CompileOptions())
    let lowered = compilation.compiler.lowered
    let texts = try LabelledDataSet(
      path: data ?? scene.data, labels: lowered.labels, kind: lowered.graph.shape.task.labelKind)
    let found = try PrecisionSearch(
      compilation, texts: texts, dataChecksum: String(repeating: "0", count: 64), maxDrop: maxDrop,
      registry: CompiledCheckpoint.registry.get())
    return (found, compilation)
  }

  private func formats(_ search: PrecisionSearch) -> [ModelPart: Precision] {
    Dictionary(uniqueKeysWithValues: search.choices.flatMap { choice in choice.parts.map { ($0, choice.precision) } })
  }

  @Test func `A layer that can't be rounded stays in f32, and no other does`() throws {
    let (found, compilation) = try search(maxDrop: 0.02)
    #expect(try Self.scene.get().count > 100)
    #expect(formats(found) == [.layer(0): .int8, .layer(1): .f32, .layer(2): .int8, .heads: .int8])
    #expect(found.record.f32 == 1 && found.record.chosen >= 0.98 && found.record.int8 < 0.98, "\(found.record.line)")
    let changes = found.choices.map { $0.change ?? 0 }
    #expect(changes.max() == changes[1] && changes.allSatisfy { $0 > 0 })
    let graph = try compilation.compiler.compile(.init(), options: found.applied(to: compilation.options))
    #expect(graph.precisionText == "int8 (layers 1, 3), bf16 (heads), f32 (layer 2)")
    #expect(found.markdown.contains("| layer 2 |") && found.markdown.contains("accuracy of"))
  }

  @Test func `The same texts choose the same formats and measure the same`() throws {
    let (first, second) = (try search(maxDrop: 0.02).0, try search(maxDrop: 0.02).0)
    #expect(first.markdown == second.markdown && first.record == second.record)
  }

  @Test func `Where all int8 loses little enough nothing else is asked`() throws {
    let (found, compilation) = try search(maxDrop: 0.99)
    #expect(found.choices.allSatisfy { $0.precision == .int8 && $0.change == nil })
    #expect(found.record.chosen == found.record.int8)
    let graph = try compilation.compiler.compile(.init(), options: found.applied(to: compilation.options))
    var plain = compilation.options
    plain.precision = .int8
    #expect(try graph.description == compilation.compiler.compile(.init(), options: plain).description)
  }

  @Test func `Layers that share their weights get one format`() throws {
    var recipe = CheckpointRecipe(.albert)
    recipe.hasExits = false
    let folder = try TemporaryFolder()
    let (found, compilation) = try search(recipe.write(in: folder), maxDrop: 0)
    #expect(found.choices.map(\.parts) == [[.embeddings], [.layer(0), .layer(1), .layer(2)], [.heads]])
    // What is chosen is also written and opened: a weight that two formats want would be refused.
    var chosen = compilation
    chosen.options = found.applied(to: compilation.options)
    _ = try chosen.write(to: folder.path("m.mpc"), skipsCheck: true)
    #expect(try LoadedModel(path: folder.path("m.mpc")).graph.precisionGroups == found.choices.map(\.parts))
  }

  @Test func `Numbers are judged by their correlation`() throws {
    let scene = try Scene(texts: 60, entry: false, task: .regression)
    let found = try search(scene.checkpoint, data: scene.data, maxDrop: 0.5).0
    #expect(found.record.measure == "pearson" && found.record.count == 60)
  }

  @Test func `A record survives being written, and what is none is refused`() throws {
    let record = try search(maxDrop: 0.99).0.record
    #expect(try PrecisionRecord(reading: JSONField(record.json, file: "m")) == record)
    for (key, value) in [
      ("format", "foo"), ("n", 0), ("f32", 2), ("chosen", "high"), ("version", 2), ("max_drop", .null),
    ] as [(String, JSONValue)] {
      var object = try JSONField(record.json, file: "m").object()
      object[key] = value
      #expect(throws: FormatError.self, "\(key)") {
        try PrecisionRecord(reading: JSONField(.object(object), file: "m"))
      }
    }
  }

  @Test func `A target that this machine does not run is refused`() throws {
    for target in InstructionSet.allCases where !InstructionSet.supported.contains(target) {
      #expect(throws: ComparisonError.self) { try search(maxDrop: 0.1, target: target) }
    }
  }
}
