// A graph as JSON is checked for form (it must be readable whatever a name contains) and for content on the gallery's model.

import Foundation
import PyramidCompiler
import PyramidIR
import PyramidPolicy
import Testing

@Suite struct GraphJSONTests {
  private func graph() throws -> Graph {
    let path = GalleryTests.folder.appending(path: "with-policies/06-schedule-policies.mpir")
    return try Graph.parse(String(contentsOf: path, encoding: .utf8))
  }

  @Test func jsonIsReadByAnIndependentReader() throws {
    var graph = try graph()
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
    let graph = try graph()
    let lines = graph.json.split(separator: "\n").filter { $0.contains("\"op\": ") }
    #expect(lines.count == graph.nodes.count)
  }

  @Test func numbersThatJSONLacksAreStrings() throws {
    var graph = try graph()
    let argument = PolicySpec.Argument(name: "a", value: .numbers([.nan, .infinity, 1.5]))
    graph.policies.exit = PolicySpec(name: "entropy", arguments: [argument])
    #expect(graph.json.contains("{\"a\": [\"nan\", \"inf\", 1.5]}"))
  }
}
