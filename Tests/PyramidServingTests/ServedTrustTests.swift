// What a server does with a model that was forged to do harm: it answers or refuses, and goes on.

import MagicPyramid
import PyramidServing
import PyramidTestSupport
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
}
