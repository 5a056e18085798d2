// What a server does with a model that was forged to do harm, or written over in the middle of an answer: it answers what is
// right or refuses, and goes on.

import Glibc
import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Synchronization
import Testing

@Suite struct `A served model that is not to be trusted` {
  /// One text may be said to take nearly 2^60 operations; nine take more than 63 bits hold.
  @Test func `is counted up to what 64 bits hold, however much its texts are said to take`() async throws {
    let folder = try TemporaryFolder()
    let path = try ServedFixture.compile(CheckpointRecipe(), in: folder, name: "model.mpc")
    var file = try ForgedFile(MappedFile(path: path).withBytes { Array($0) })
    let graph = file["graph"].replacing("dim T0 <= 8192", with: "dim T0 <= 64")
    let parts = graph.split(separator: "cost embeddings executed ", maxSplits: 1)
    let rest = try #require(parts.last?.drop { $0.isNumber })
    file["graph"] = parts[0] + "cost embeddings executed \((1 << 54) - (1 << 40))" + rest
    try folder.write("model.mpc", file.sealed)
    let metrics = MetricRegistry()
    let model = try ServedModel(
      name: "model", version: 1, path: path, options: ServingOptions(), registry: PolicyCatalogue.registry(),
      metrics: metrics)
    let text = (first: String(repeating: "w7 ", count: 70), second: "")
    let result = try await model.answer(ServingRequest(texts: Array(repeating: text, count: 9)))
    #expect(result.answers.allSatisfy { $0.answer.operations.executed > 1 << 59 } && result.answers.count == 9)
    #expect(metrics.text.contains(#"mp_operations_total{model="model",version="1"} 9.22337"#), "\(metrics.text)")
  }

  /// Before a request the file is what was opened: somebody writes over it while the first head is asked.
  @Test(.serialized, arguments: [false, true])
  func `answers nothing that was computed while somebody wrote over its file`(isPyramid: Bool) async throws {
    let folder = try TemporaryFolder()
    let registry = try PolicyRegistry(PolicyCatalogue.registry().all + [PolicyType(WritesOver.self)])
    let compilation = try Compilation(
      checkpoint: CheckpointRecipe().write(in: folder), policies: PolicyChoice(exit: PolicySpec(WritesOver.name)),
      options: CompileOptions(target: .portable), registry: registry)
    let path = folder.path("model.mpc")
    _ = try compilation.write(to: path, skipsCheck: true)
    let model = try ServedModel(
      name: "model", version: 1, path: path, options: ServingOptions(), registry: registry, metrics: MetricRegistry())
    let request = ServingRequest(texts: [("w7 w9 w11", "")])
    _ = try await model.answer(request)
    WritesOver.paths.withLock { _ = $0.insert(path) }
    try model.checkReady()
    let error = await #expect(throws: ServingError.self) {
      if isPyramid { _ = try await model.pyramid(of: request) } else { _ = try await model.answer(request) }
    }
    #expect(error?.kind == .broken)
    #expect(error?.description.contains("was written over while it was in use") == true, "\(String(describing: error))")
  }
}

/// Gives files another time of change when it is asked, as somebody who writes over them does.
private struct WritesOver: ExitPolicy {
  static let name = "writes-over"
  static let paths = Mutex<Set<String>>([])
  let reads: Set<ExitSignal> = [.logits]
  init(_ arguments: PolicyArguments) {}
  func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
    for path in Self.paths.withLock({ $0 }) {
      _ = utimes(path, [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)])
    }
    return false
  }
}
