// Models of a folder: found, put in place of each other, let go.

import Glibc
import MagicPyramid
import PyramidTestSupport
import Synchronization
import Testing

@testable import PyramidServing

@Suite struct `A repository` {
  private func repository(_ path: String, _ metrics: MetricRegistry = MetricRegistry()) throws -> ModelRepository {
    ModelRepository(
      path: path, options: ServingOptions(), registry: try PolicyCatalogue.registry(), metrics: metrics)
  }

  private func names(_ repository: ModelRepository) -> [String] {
    repository.models.map { "\($0.name)/\($0.version)" }
  }

  @Test func `tells files apart whose numbers have their highest bit`() {
    var (one, other) = (stat(), stat())
    (one.st_ino, one.st_dev, other.st_ino, other.st_dev) = (.max, .max, .max - 1, .max)
    #expect(ModelRepository.FileStamp(one) == ModelRepository.FileStamp(one))
    #expect(ModelRepository.FileStamp(one) != ModelRepository.FileStamp(other))
  }

  @Test func `has models by name and version, and gives the latest`() async throws {
    let folder = try TemporaryFolder()
    for name in ["b/2", "b/10"] { try folder.makeFolder(name) }
    for name in ["a.mpc", "b/1.mpc", "b/2/any.mpc", "b/10/other.mpc"] {
      try ServedFixture.compile(CheckpointRecipe(), in: folder, name: name)
    }
    try folder.write("notes.txt", "no model")
    let repository = try repository(folder.path)
    #expect(!repository.isReady)
    try await repository.load()
    #expect(repository.isReady && names(repository) == ["a/1", "b/1", "b/2", "b/10"])
    #expect(try repository.model("b").version == 10 && repository.model("b", version: "2").version == 2)
    for (name, version) in [("c", nil), ("b", "3"), ("b", "x")] {
      let error = #expect(throws: ServingError.self) { try repository.model(name, version: version) }
      #expect(error?.kind == .notFound)
    }
    #expect(throws: ServingError.self) { try repository.onlyModel() }
    try await repository.unload("a")
    #expect(names(repository) == ["b/1", "b/2", "b/10"])
    try await repository.load()
    #expect(names(repository) == ["b/1", "b/2", "b/10"])
    try await repository.load("a")
    #expect(names(repository).first == "a/1")
    await #expect(throws: ServingError.self) { try await repository.load("c") }
    await #expect(throws: ServingError.self) { try await repository.unload("c") }
    // What was not there to be unloaded is loaded as any other once it is.
    try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "c.mpc")
    try await repository.load()
    #expect(names(repository).last == "c/1")
  }

  @Test func `tells of what lies there and is no model`() async throws {
    final class Passed: Sendable { let paths = Mutex<[String]>([]) }
    let (folder, passed) = (try TemporaryFolder(), Passed())
    // What a volume's file system has at its root, which only root may list.
    for name in ["b/latest", "b/2", ".git/x", "lost+found/1"] { try folder.makeFolder(name) }
    for name in ["a.mpc", "b/2/any.mpc"] { try ServedFixture.compile(CheckpointRecipe(), in: folder, name: name) }
    for name in ["a.MPC", "b/v3.mpc", "b/2/notes.txt", ".hidden"] { try folder.write(name, "no model") }
    let repository = ModelRepository(
      path: folder.path, options: ServingOptions(), registry: try PolicyCatalogue.registry(), metrics: MetricRegistry(),
      onPassedOver: { path in passed.paths.withLock { $0.append(path) } })
    try await repository.load()
    #expect(names(repository) == ["a/1", "b/2"])
    let expected = ["a.MPC", "b/2/notes.txt", "b/latest", "b/v3.mpc"].map { folder.path + "/" + $0 }
    #expect(passed.paths.withLock { $0.sorted() } == expected)
    try await repository.load("a")
    #expect(passed.paths.withLock { $0.count } == 4)
  }

  @Test func `is ready when all models are loaded, not when one is`() async throws {
    let folder = try TemporaryFolder()
    for name in ["a.mpc", "b.mpc"] { try ServedFixture.compile(CheckpointRecipe(), in: folder, name: name) }
    let repository = try repository(folder.path)
    try await repository.load("a")
    #expect(!repository.isReady)
    try await repository.load()
    #expect(repository.isReady)
  }

  @Test func `keeps no gauge of a model that is gone or was replaced`() async throws {
    let (folder, metrics) = (try TemporaryFolder(), MetricRegistry())
    for name in ["a.mpc", "b.mpc"] { try ServedFixture.compile(CheckpointRecipe(), in: folder, name: name) }
    let repository = try repository(folder.path, metrics)
    func gauged() -> [String] {
      ["a", "b"].filter { metrics.text.contains("mp_queue_tokens{model=\"\($0)\"") }
    }
    try await repository.load()
    for model in repository.models { model.refreshMetrics() }
    #expect(gauged() == ["a", "b"])
    try await repository.unload("a")
    #expect(gauged() == ["b"])
    try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "b.mpc")
    try await repository.load()
    #expect(gauged() == [])
  }

  @Test func `serves no model whose weights are not those that were compiled`() async throws {
    let folder = try TemporaryFolder()
    try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "a.mpc")
    try folder.flipLastByte("a.mpc")
    let repository = try repository(folder.path)
    let error = await #expect(throws: FormatError.self) { try await repository.load() }
    #expect(error?.description.contains("are not what was compiled") == true, "\(error?.description ?? "")")
    #expect(!repository.isReady)
  }

  @Test func `takes a file that was replaced, keeps others, and stays as it is when one is broken`() async throws {
    let folder = try TemporaryFolder()
    try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "a.mpc")
    try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "b.mpc")
    let repository = try repository(folder.path)
    try await repository.load()
    let (a, b) = (try repository.model("a"), try repository.model("b"))
    var other = CheckpointRecipe()
    other.classes = 4
    try ServedFixture.compile(other, in: folder, name: "a.mpc")
    try await repository.load()
    #expect(try repository.model("a").classifier.labels.count == 4 && repository.model("b") === b)
    // Who has the old model still gets its answers.
    #expect(try await a.answer(ServingRequest(texts: [("w7", "")])).answers[0].scores.count == 3)
    try folder.write("b.mpc", "broken")
    await #expect(throws: FormatError.self) { try await repository.load() }
    #expect(try repository.model("b") === b && names(repository) == ["a/1", "b/1"])
    unlink(folder.path("b.mpc"))
    try await repository.load()
    #expect(names(repository) == ["a/1"])
    #expect(try repository.onlyModel().name == "a")
  }

  @Test func `without a model is an error`() async throws {
    let folder = try TemporaryFolder()
    await #expect(throws: FormatError.self) { try await repository(folder.path).load() }
    await #expect(throws: FormatError.self) { try await repository(folder.path("none.mpc")).load() }
  }
}
