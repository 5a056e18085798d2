// DOT is checked for form (it must be readable whatever a name contains) and for content on the sample model.

import PyramidIR
import Testing

@Suite struct EmitterTests {
  @Test func dotHasAClusterForEachSectionAndAnEdgeForEachUse() throws {
    let graph = try SampleModel.pyramid()
    let lines = graph.dot.split(separator: "\n")
    #expect(lines.filter { $0.contains("subgraph cluster_") }.count == 4)
    #expect(lines.filter { $0.contains(" -> ") }.count == graph.nodes.reduce(0) { $0 + $1.inputs.count })
    #expect(lines.filter { $0.contains("decide_exit @entropy") }.count == 1)
    #expect(graph.dot.contains("prune @received-attention(thresholds = #prune.thresholds, scale = 1)"))
    #expect(graph.dot.contains("[label=\"i32[B1 + 1]\", color=\"#e65100\"]"))
    #expect(graph.dot.contains("[label=\"f32[T1, 8]\", color=\"#1b5e20\"]"))
  }

  @Test func dotQuotesWhateverANameContains() throws {
    var graph = try SampleModel.plain()
    graph.name = "a\"b\\c\nd\0"
    #expect(graph.dot.hasPrefix("digraph \"a\\\"b\\\\c\\nd\u{fffd}\" {\n"))
  }
}
