// DOT and JSON are checked for form (they must be readable whatever a name contains) and for content on the sample
// model.

import Foundation
import PyramidIR
import Testing

@Suite struct EmitterTests {
  @Test func jsonIsReadByAnIndependentReader() throws {
    var graph = try SampleModel.pyramid()
    graph.checkpoint = "quote \" slash \\ line \n tab \t control \u{1} accent é"
    graph.costs = graph.countOperations()
    graph.slots = [Slot(family: .tokens, bytesPerRow: 64)]
    let object = try JSONSerialization.jsonObject(with: Data(graph.json.utf8))
    let root = try #require(object as? [String: Any])
    #expect(root["checkpoint"] as? String == graph.checkpoint)
    #expect(root["target"] is NSNull)
    #expect((root["nodes"] as? [Any])?.count == graph.nodes.count)
    #expect((root["weights"] as? [Any])?.count == graph.weights.count)
    #expect((root["model"] as? [String: Any])?["layers"] as? Int == 2)
    let dims = try #require(root["dims"] as? [[String: Any]])
    #expect(dims[0]["bound"] as? Int == 4)
    #expect(dims[2]["bound"] as? String == "B0")
    #expect(dims[2]["by"] as? String == "stay0")
    let decision = try #require((root["nodes"] as? [[String: Any]])?.first { $0["op"] as? String == "decide_prune" })
    let attributes = try #require(decision["attributes"] as? [String: Any])
    #expect(attributes["policy"] as? String == "received-attention")
    #expect(attributes["reads"] as? [String] == ["received-attention"])
    #expect(attributes["after"] as? String == "exit")
    #expect(attributes["layer"] as? Int == 0)
  }

  @Test func jsonPutsEachNodeOnALine() throws {
    let graph = try SampleModel.plain()
    let lines = graph.json.split(separator: "\n").filter { $0.contains("\"op\": ") }
    #expect(lines.count == graph.nodes.count)
  }

  @Test func numbersThatJSONLacksAreStrings() throws {
    var graph = try SampleModel.pyramid()
    graph.policies[0] = PolicyUse(.exit, "entropy", [.init("a", .numbers([.nan, .infinity, 1.5]))])
    #expect(graph.json.contains("{\"a\": [\"nan\", \"inf\", 1.5]}"))
  }

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
