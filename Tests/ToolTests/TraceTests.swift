// The timeline of --trace, read as a viewer does: valid JSON, slices that nest, names, exits, and nothing of the texts.

import Foundation
import Testing

@Suite struct TraceTests {
  /// A slice: name, category, and the microseconds in which it lies.
  private struct Slice {
    let name, category: String
    let start, end: Double
    let arguments: [String: Any]
  }

  private static let texts = (1...90).map { "The secretvillage of number \($0) is a village in the Lotru mountains." }

  private func events(of model: String, _ arguments: [String] = []) throws -> (events: [[String: Any]], raw: String) {
    let scratch = try Scratch()
    let (trace, input) = (scratch.path("t.json"), Data(Self.texts.joined(separator: "\n").utf8))
    let result = try Tool.run.run(
      [model, "-", "--format", "jsonl", "--quiet", "--trace", trace] + arguments, input: input)
    #expect(result.code == 0, "\(result.notes)")
    #expect(result.lines.count == Self.texts.count)
    let data = try Data(contentsOf: URL(fileURLWithPath: trace))
    let events = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    return (events, String(decoding: data, as: UTF8.self))
  }

  private func slices(_ events: [[String: Any]]) throws -> [Slice] {
    try events.filter { $0["ph"] as? String == "X" }.map { event in
      let start = try #require(event["ts"] as? Double)
      return Slice(
        name: try #require(event["name"] as? String), category: try #require(event["cat"] as? String), start: start,
        end: start + (try #require(event["dur"] as? Double)), arguments: event["args"] as? [String: Any] ?? [:])
    }
  }

  @Test func `Steps lie in layers and layers in waves, and all of them are named`() throws {
    let (events, _) = try events(of: Models.dense.get())
    let slices = try slices(events)
    let (waves, layers) = (slices.filter { $0.category == "wave" }, slices.filter { $0.category == "layer" })
    let steps = slices.filter { $0.category == "step" }
    // 90 texts take two waves of at most 64; nobody leaves, so each goes through all sections.
    #expect(waves.map(\.name) == ["wave 1", "wave 2"])
    #expect(Set(layers.map(\.name)) == Set(["embeddings", "output"] + (1...6).map { "layer \($0)" }))
    #expect(layers.count { $0.name == "layer 3" } == 2)
    #expect(layers.filter { $0.name == "layer 1" }.map { $0.arguments["samples"] as? Int } == [64, 26])
    #expect(steps.contains { $0.name.hasPrefix("linear.") } && steps.contains { $0.name.hasPrefix("attention_qkv.") })
    // Microseconds are rounded to what 64 bits hold.
    func isWithin(_ inner: Slice, _ outer: Slice) -> Bool {
      inner.start >= outer.start - 1e-3 && inner.end <= outer.end + 1e-3
    }
    for layer in layers { #expect(waves.contains { isWithin(layer, $0) }, "\(layer)") }
    for step in steps { #expect(layers.contains { isWithin(step, $0) }, "\(step)") }
    for (one, next) in zip(steps, steps.dropFirst()) { #expect(one.end <= next.start + 1e-3) }
    let names = events.filter { $0["ph"] as? String == "M" }.compactMap { ($0["args"] as? [String: Any])?["name"] }
    #expect(names as? [String] == ["dbpedia14", "waves, layers, steps", "requests"])
  }

  @Test func `Every text's exit is on its request's track, and no word of it`() throws {
    let (events, raw) = try events(of: Models.pyramid.get())
    let ofRequests = events.filter { $0["cat"] as? String == "request" }
    #expect(ofRequests.first?["ph"] as? String == "b" && ofRequests.last?["ph"] as? String == "e")
    let exits = ofRequests.filter { ($0["name"] as? String)?.hasPrefix("exit") == true }
    let samples = exits.compactMap { ($0["args"] as? [String: Any])?["sample"] as? Int }
    #expect(samples.sorted() == Array(Self.texts.indices))
    let layers = Set(exits.compactMap { ($0["args"] as? [String: Any])?["exit_layer"] as? Int })
    #expect(layers.contains { $0 < 6 })
    let (strict, _) = try self.events(of: Models.pyramid.get(), ["--exit", "entropy(threshold=0)"])
    #expect(strict.contains { ($0["name"] as? String)?.hasPrefix("prune after layer") == true })
    #expect(!raw.contains("secretvillage") && !raw.contains("Lotru"))
  }

  @Test func `A trace that can't be written is refused before a text is read, and with --info`() throws {
    let result = try Tool.run(Models.dense.get(), "A text.", "--trace", "/nowhere/t.json")
    #expect(result.code == 1 && result.output.isEmpty && result.notes.contains("/nowhere/t.json"))
    let info = try Tool.run(Models.dense.get(), "--info", "--trace", "t.json")
    #expect(info.code == 64)
  }
}
