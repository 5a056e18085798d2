// The tokens that every pruning criterion keeps on 400 held-out texts, against PyTorch: Scripts/make-prune-golden wrote
// them from the formulas, layer by layer, and marked where rounding decides.

import Foundation
import MagicPyramid
import PyramidReference
import PyramidTestSupport
import Testing

@Suite(.serialized) struct `Goldens of pruning` {
  /// What one setting keeps: a line of the file.
  struct Golden: Decodable, Sendable {
    let prune: String
    /// Samples that nowhere hang on rounding.
    let decided: Int
    /// Of each sample: the tokens alive when each layer after the first starts, as far as nothing hangs on rounding, then
    /// the checksum of the positions from the first on, less its last byte.
    let kept: String
    /// The positions themselves, of a few samples by number.
    let shown: [String: [[Int32]]]

    /// What is kept of each sample, and for how many layers it is known.
    var lines: [(text: Substring, layers: Int)] {
      kept.split(separator: ",").map { ($0, $0.split(separator: " ").count) }
    }
  }

  static let path = Repository.root + "/Tests/Golden/pruning.jsonl"
  static let lines = Result { try Data(contentsOf: URL(filePath: path)).split(separator: UInt8(ascii: "\n")) }
  static let goldens = Result {
    try lines.get().dropFirst().map { try JSONDecoder().decode(Golden.self, from: $0) }
  }

  /// The embedded checkpoint with the weights that the file's first line brings, as long as the folder lives.
  static func checkpoint() throws -> (folder: TemporaryFolder, path: String) {
    let folder = try TemporaryFolder()
    let root = JSONField(try JSONReader.read(Array(lines.get()[0]), file: path), file: path)
    try GoldenTensors.check(
      root.required("checkpoint").string(), of: Repository.defaultCheckpoint,
      remake: "Scripts/make-prune-golden Graphs/dbpedia14 Tests/Golden/pruning.jsonl")
    return (
      folder: folder,
      path: try GoldenTensors.extended(
        Repository.defaultCheckpoint, root.required("tensors").members(), in: folder)
    )
  }

  static let samples = Result {
    let text = try String(contentsOfFile: Repository.defaultCheckpoint + "/sample.tsv", encoding: .utf8)
    let compiled = try CompiledCheckpoint(Repository.defaultCheckpoint, for: .portable)
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    return text.split(separator: "\n").prefix(400).map {
      classifier.encode(String($0.split(separator: "\t", maxSplits: 1)[1])).ids
    }
  }

  /// CRC-32 of the positions alive when each layer starts, 32 bits each, -2 after every layer.
  private static func checksum(_ layers: ArraySlice<[Int32]>) -> UInt32 {
    var crc = UInt32.max
    let positions: [Int32] = layers.reduce(into: []) { $0 += $1 + [-2] }
    for position in positions {
      for shift in stride(from: UInt32(0), to: 32, by: 8) {
        crc ^= (UInt32(bitPattern: position) >> shift) & 0xFF
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
      }
    }
    return ~crc
  }

  private static func line(_ layers: ArraySlice<[Int32]>) -> String {
    let digits = String(checksum(layers), radix: 16)
    let padded = String(repeating: "0", count: 8 - digits.utf8.count) + digits
    return (layers.dropFirst().map { "\($0.count)" } + [String(padded.prefix(6))]).joined(separator: " ")
  }

  @Test func `cover every pruning policy that chooses tokens, and hang on rounding seldom`() throws {
    let goldens = try Self.goldens.get()
    let named = Set(try goldens.map { try PolicySpec($0.prune).name })
    let policies = try CompiledCheckpoint.registry.get().all.filter { $0.kind == .prune }.map(\.name)
    #expect(named.union(["keep-all"]) == Set(policies))
    for golden in goldens {
      #expect(golden.lines.count == 400 && golden.decided > 250, "\(golden.prune)")
      #expect(Set(golden.lines.map(\.text)).count > 20)
    }
  }

  /// This machine's own set; the others, which differ in their last bits only, and all texts take minutes.
  private static let sets = try! Repository.runsLongTests ? InstructionSet.supported : [InstructionSet.native()]

  @Test(arguments: sets)
  func `the engine keeps the tokens that PyTorch's numbers say`(set: InstructionSet) throws {
    let checkpoint = try Self.checkpoint()
    defer { withExtendedLifetime(checkpoint.folder) {} }
    let samples = try Array(Self.samples.get().prefix(Repository.runsLongTests ? 400 : 80))
    for golden in try Self.goldens.get() {
      let compiled = try CompiledCheckpoint(checkpoint.path, for: set, prune: golden.prune)
      let (answers, lines) = (try compiled.executor().run(PackedBatch(samples)), golden.lines)
      for (index, answer) in answers.enumerated() {
        let alive = try #require(answer.alivePositions)
        #expect(alive.map(\.count) == answer.tokensAlive)
        let decided = alive.prefix(lines[index].layers)
        #expect(Self.line(decided) == lines[index].text, "\(golden.prune), sample \(index)")
        guard let shown = golden.shown["\(index)"] else { continue }
        #expect(Array(decided) == shown, "\(golden.prune), sample \(index)")
      }
    }
  }

  @Test func `the reference interpreter keeps them, too`() throws {
    let checkpoint = try Self.checkpoint()
    defer { withExtendedLifetime(checkpoint.folder) {} }
    let samples = try Self.samples.get()
    let short = samples.indices.filter { samples[$0].count < 24 }.prefix(3)
    #expect(short.count == 3)
    for golden in try Self.goldens.get() {
      let compiled = try CompiledCheckpoint(checkpoint.path, for: .portable, prune: golden.prune)
      let answers = try compiled.oracle().run(ReferenceBatch(tokenIDs: short.map { samples[$0] }))
      let lines = golden.lines
      for (index, answer) in zip(short, answers) {
        let decided = answer.alivePositions.prefix(lines[index].layers)
        #expect(Self.line(decided) == lines[index].text, "\(golden.prune), sample \(index)")
      }
    }
  }
}
