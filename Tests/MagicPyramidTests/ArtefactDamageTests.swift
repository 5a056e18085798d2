// Artefacts that are cut, damaged, or were never any: each gives one line that says so, or the answer of the
// undamaged file, and never a trap. Artefacts that are whole but say something else than mp-compile would are in
// ForgedArtefactTests.swift.

import MagicPyramid
import PyramidTestSupport
import Testing

@Suite struct `A damaged artefact` {
  static let artefact = Result { try SmallArtefact() }

  @Test func `is refused when it ends early, wherever that is`() throws {
    let artefact = try Self.artefact.get()
    let folder = try TemporaryFolder()
    let count = artefact.bytes.count
    let lengths = Array(0..<64) + Array(stride(from: 64, to: count, by: 311)) + [artefact.headerEnd, count - 1]
    for length in lengths {
      let path = try folder.write("cut.mpc", Array(artefact.bytes.prefix(length)))
      let error = #expect(throws: FormatError.self, "\(length) bytes") { try LoadedModel(path: path) }
      expectOneLine(error)
    }
  }

  /// The header holds graph, labels, tensor directory and settings. Every bit of some bytes, one bit of every seventh.
  @Test func `is refused, or answers as if whole, when a bit of its header flips`() throws {
    let artefact = try Self.artefact.get()
    let folder = try TemporaryFolder()
    let every = (0..<64).flatMap { place in (0..<8).map { (place, $0) } }
    let some = stride(from: 64, to: artefact.headerEnd, by: 7).map { ($0, $0 / 7 % 8) }
    var refused = 0
    for (place, bit) in every + some {
      let comment = Comment("header byte \(place), bit \(bit)")
      if try artefact.isRefused(folder, comment, damage: { $0[place] ^= 1 << bit }) { refused += 1 }
    }
    // All but spaces after the JSON, which nobody reads.
    #expect(refused >= (every + some).count - 10, "\(refused) of \((every + some).count)")
  }

  @Test func `is refused when its tokenizer is damaged`() throws {
    let artefact = try Self.artefact.get()
    let folder = try TemporaryFolder()
    let settings = try #require(artefact.place(of: Array("max_word_scalars".utf8)))
    let vocabulary = try #require(artefact.place(of: Array("[PAD]".utf8) + [0xFF]))
    for place in Array(stride(from: settings - 100, to: settings + 100, by: 9)) + Array(vocabulary..<vocabulary + 60) {
      var bytes = artefact.bytes
      bytes[place] ^= 4
      let path = try folder.write("damaged.mpc", bytes)
      expectOneLine(#expect(throws: FormatError.self) { try LoadedModel(path: path) })
    }
  }

  @Test func `of another version, or of none, is refused`() throws {
    let artefact = try Self.artefact.get()
    let folder = try TemporaryFolder()
    for (old, new, words) in [
      (#""version":"5""#, #""version":"2""#, "is \"2\", expected 5; compile the model again"),
      (#""version":"5""#, #""versiom":"4""#, "expected 5; compile the model again"),
      (#""format":"magic-pyramid""#, #""format":"magic-pyramit""#, "is not a compiled model"),
    ] {
      let place = try #require(artefact.place(of: Array(old.utf8)))
      var bytes = artefact.bytes
      bytes.replaceSubrange(place..<place + old.utf8.count, with: new.utf8)
      let path = try folder.write("other.mpc", bytes)
      let error = #expect(throws: FormatError.self) { try LoadedModel(path: path) }
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
  }

  @Test func `is told from a checkpoint, a text, an empty file, a folder and nothing`() throws {
    let folder = try TemporaryFolder()
    let checkpoint = try CheckpointRecipe().write(in: folder)
    let paths = [
      "\(checkpoint)/model.safetensors", "\(checkpoint)/config.json", checkpoint, try folder.write("empty", ""),
      folder.path("missing"), try folder.write("zeros", [UInt8](repeating: 0, count: 4096)),
      try folder.write("ones", [UInt8](repeating: 0xFF, count: 4096)),
    ]
    for path in paths {
      let error = #expect(throws: FormatError.self, "\(path)") { try LoadedModel(path: path) }
      expectOneLine(error)
      #expect(error?.description.contains(path) == true)
    }
    let error = #expect(throws: FormatError.self) { try LoadedModel(path: paths[0]) }
    #expect(error?.description.contains("mp-compile makes one from a checkpoint folder") == true)
  }
}

/// Whether an error is what a tool can print: one line.
func expectOneLine(_ error: (any Error)?) {
  let text = error.map { "\($0)" } ?? ""
  #expect(!text.isEmpty && !text.utf8.contains(0x0A), "\(text)")
}

/// A small artefact in memory, and what it answers.
struct SmallArtefact: Sendable {
  static let recipe: CheckpointRecipe = {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.vocabulary) = (2, 8, 8, 24)
    recipe.thresholds = [0.7]
    return recipe
  }()
  static let text = "w7 w9 w8 nothing w20"

  let bytes: [UInt8]
  /// Where the header ends and the first tensor starts.
  let headerEnd: Int
  let logits: [Float]

  init() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.mpc")
    let compilation = try Compilation(
      checkpoint: Self.recipe.write(in: folder),
      policies: PolicyChoice(exit: PolicySpec("entropy"), prune: PolicySpec("received-attention")),
      options: CompileOptions(target: .portable))
    _ = try compilation.write(to: path, skipsCheck: true)
    bytes = try MappedFile(path: path).withBytes { Array($0) }
    headerEnd = 8 + bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    logits = try Self.logits(path)
  }

  /// First place of a text in the file.
  func place(of text: [UInt8]) -> Int? {
    (0..<bytes.count - text.count).first { bytes[$0] == text[0] && bytes[$0..<$0 + text.count].elementsEqual(text) }
  }

  /// Opens a damaged copy: that fails with one line, or the answer is the whole file's. Whether it fails.
  func isRefused(_ folder: TemporaryFolder, _ comment: Comment, damage: (inout [UInt8]) -> Void) throws -> Bool {
    var damaged = bytes
    damage(&damaged)
    let path = try folder.write("damaged.mpc", damaged)
    do {
      #expect(try Self.logits(path) == logits, comment)
      return false
    } catch {
      #expect(error is FormatError || error is RuntimeError || error is PolicyError, comment)
      expectOneLine(error)
      return true
    }
  }

  /// What the artefact at a path answers.
  static func logits(_ path: String) throws -> [Float] {
    let classifier = try Classifier(path: path, registry: CompiledCheckpoint.registry.get())
    return try classifier.classify([text]).first?.answer.logits ?? []
  }
}
