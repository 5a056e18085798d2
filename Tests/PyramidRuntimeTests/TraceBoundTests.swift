// The trace's promise to stay small, and what it says when it had to.

import Foundation
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

@Suite struct TraceBoundTests {
  @Test func `A full trace counts what it leaves out, and says so in the file`() throws {
    let folder = try TemporaryFolder()
    let trace = ExecutionTrace(capacity: 3)
    let group = trace.group(.init(model: "m", sections: ["layer 1"], steps: ["linear"]))
    let wave = group.begin(.wave(1))
    let layer = group.begin(.section(0, samples: 2, tokens: 9))
    for _ in 0..<4 { group.end(group.begin(.step(0))) }
    group.end(layer)
    group.end(wave)
    #expect(trace.leftOut == 3)
    let path = folder.path + "/t.json"
    try trace.write(to: path)
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let events = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    #expect(events.compactMap { $0["cat"] as? String } == ["wave", "layer", "step"])
    #expect(events.last?["name"] as? String == "3 later events left out: a trace holds 3")
  }
}
