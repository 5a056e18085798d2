// What mp-compile does before a file gets its name must be able to fail: a model whose weights are not the checkpoint's, and
// a policy that answers the engine otherwise than the oracle.

import Glibc
import PyramidTestSupport
import Synchronization
import Testing

@testable import MagicPyramid

/// No pure function of a sample: it lets the first eight samples that it sees stay, the built-in texts before the oracle, and
/// all others leave.
private struct Fickle: ExitPolicy {
  static let name = "fickle"
  static let parameters: [PolicyParameter] = [
    .integer("stays", default: 8, in: 0...100, help: "samples that stay")
  ]
  static let seen = Mutex(0)
  let reads: Set<ExitSignal> = [.probabilities]
  let stays: Int
  init(_ arguments: PolicyArguments) { stays = arguments.integer("stays") }
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    Self.seen.withLock {
      $0 += 1
      return $0 > stays
    }
  }
}

@Suite(.serialized) struct `The self-check` {
  private static func compilation(_ recipe: CheckpointRecipe, _ folder: TemporaryFolder, exit: String?) throws
    -> Compilation
  {
    let registry = try PolicyRegistry(CompiledCheckpoint.registry.get().all + [PolicyType(Fickle.self)])
    return try Compilation(
      checkpoint: recipe.write(in: folder, name: recipe.seed),
      policies: PolicyChoice(exit: try exit.map { try PolicySpec($0) }), options: CompileOptions(target: .portable),
      registry: registry)
  }

  @Test func `refuses a model whose policy answers it otherwise than the oracle, and leaves no file`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("model.mpc")
    let compilation = try Self.compilation(SmallArtefact.recipe, folder, exit: "fickle")
    Fickle.seen.withLock { $0 = 0 }
    let error = #expect(throws: CompileError.self) { try compilation.write(to: path) }
    #expect(error?.description.contains("self-check failed: against the reference interpreter") == true)
    #expect(error?.description.contains("and 8 texts left at another layer") == true, "\(String(describing: error))")
    #expect(access(path, F_OK) != 0)
    // One that lets all samples stay answers both alike.
    let pure = try Self.compilation(SmallArtefact.recipe, folder, exit: "fickle(stays=100)")
    Fickle.seen.withLock { $0 = 0 }
    #expect(try pure.write(to: path).check?.passes == true)
  }

  /// A feed-forward layer of a million columns is a small file with a hole in it.
  @Test func `runs fewer texts where rows are very wide, and one at least`() {
    let lengths = [22, 18, 13, 32, 25, 32, 4, 2]
    #expect(SelfCheck.fitting(lengths, width: 16384) == Array(0..<8))
    #expect(SelfCheck.fitting(lengths, width: 1 << 20) == [0, 6, 7])
    #expect(SelfCheck.fitting(lengths, width: 1 << 28) == [7])
    #expect(SelfCheck.fitting([], width: 1 << 28) == [])
  }

  /// The engine runs one checkpoint, the oracle another that differs in the values of its weights alone.
  @Test(arguments: [Precision.f32, .bf16])
  func `sees weights that are not the checkpoint's`(precision: Precision) throws {
    let folder = try TemporaryFolder()
    func check(_ model: String, _ oracle: String) throws -> SelfCheck {
      var (own, other) = (SmallArtefact.recipe, SmallArtefact.recipe)
      (own.seed, other.seed) = (model, oracle)
      let compiled = try CompiledCheckpoint(
        own.write(in: folder, name: "own \(model) \(oracle)"), for: .portable, precision: precision)
      let compiler = try ModelCompiler(checkpoint: other.write(in: folder, name: "other \(model) \(oracle)"))
      return try SelfCheck(
        of: Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get()), compiler: compiler)
    }
    let same = try check("one", "one")
    #expect(same.passes && same.largestDifference <= (precision == .f32 ? 1e-5 : 0.1), "\(same.largestDifference)")
    let others = try (1...6).map { try check("one", "\($0)") }
    #expect(others.allSatisfy { $0.largestDifference > 1e-3 })
    // In reduced precision half of the labels may agree by chance.
    #expect(precision == .f32 ? others.allSatisfy { !$0.passes } : others.contains { !$0.passes })
  }
}
