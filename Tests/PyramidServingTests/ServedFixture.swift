// A small model as a server has it.

import Glibc
import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Testing

/// A compiled checkpoint of random weights, served; its file lives as long as the fixture.
struct ServedFixture {
  let folder: TemporaryFolder
  let path: String
  let metrics = MetricRegistry()
  let model: ServedModel

  static let exit = "entropy(threshold=0.8)"

  /// Two tasks on one trunk: `main` of two classes, and `topic` of five.
  static var severalTasks: CheckpointRecipe {
    var (recipe, topic) = (CheckpointRecipe(), CheckpointRecipe())
    (recipe.classes, recipe.headSeed) = (2, "tone")
    (topic.classes, topic.headSeed) = (5, "topic")
    recipe.tasks = [("topic", topic)]
    return recipe
  }

  /// A recipe of its own goes before `classes`.
  init(
    of own: CheckpointRecipe? = nil, exit: String? = exit, prune: String? = nil, classes: Int = 3,
    isCertified: Bool = false,
    _ change: (inout ServingOptions) throws -> Void = { _ in }
  ) throws {
    folder = try TemporaryFolder()
    var recipe = own ?? CheckpointRecipe()
    if own == nil { recipe.classes = classes }
    path = try Self.compile(
      recipe, exit: classes > 1 ? exit : nil, prune: prune, in: folder, name: "model.mpc", isCertified: isCertified)
    var options = ServingOptions()
    try change(&options)
    model = try ServedModel(
      name: "model", version: 1, path: path, options: options, registry: PolicyCatalogue.registry(), metrics: metrics)
  }

  /// Writes and compiles a checkpoint to a file of the folder.
  @discardableResult
  static func compile(
    _ recipe: CheckpointRecipe, exit: String? = nil, prune: String? = nil, in folder: TemporaryFolder, name: String,
    isCertified: Bool = false
  ) throws -> String {
    let path = folder.path(name)
    let checkpoint = try TemporaryFolder()
    var compilation = try Compilation(
      checkpoint: recipe.write(in: checkpoint),
      policies: PolicyChoice(exit: try exit.map { try PolicySpec($0) }, prune: try prune.map { try PolicySpec($0) }),
      options: CompileOptions(target: .portable))
    _ = try compilation.write(to: path, skipsCheck: true)
    guard isCertified else { return path }
    compilation.certificate = Certificate(
      checkpoint: try LoadedModel(path: path).header.checkpoint, precision: "f32",
      exit: try #require(compilation.policies.exit).spec.description,
      prune: compilation.policies.prune?.spec.description,
      dataChecksum: String(repeating: "0", count: 64), count: 100, maxDrop: 0.05, confidence: 0.95, against: "dense",
      missClass: nil, bounds: [Certificate.Bound(exit: nil, count: 100, losses: 0, bound: 0.05)])
    _ = try compilation.write(to: path, skipsCheck: true)
    return path
  }
}

extension TemporaryFolder {
  /// Changes a file in place, as `cp` would, and not in the tick of the clock in which it was opened.
  func flipLastByte(_ name: String) throws {
    let descriptor = open(path(name), O_RDWR)
    defer { close(descriptor) }
    let last = lseek(descriptor, 0, SEEK_END) - 1
    var byte: UInt8 = 0
    try #require(pread(descriptor, &byte, 1, last) == 1)
    byte ^= 1
    try #require(pwrite(descriptor, &byte, 1, last) == 1)
    try #require(futimes(descriptor, [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]) == 0)
  }
}
