// Whether the texts of late are like the first ones, as operators see it.

import Glibc
import PyramidServing
import Testing

@Suite struct `Drift of a served model` {
  @Test func `is how far texts of late are from the first thousand`() async throws {
    let fixture = try ServedFixture(exit: "never-exit", prune: "received-attention(thresholds=1000)")
    var request = ServingRequest(texts: Array(repeating: (first: "w7 w9 w11 w8", second: ""), count: 1000))
    func drift() throws -> (exits: Double, tokens: Double) {
      func value(_ name: String) throws -> Double {
        let line = fixture.metrics.text.split(separator: "\n").first { $0.hasPrefix(name + "{") }
        return try #require(line.flatMap { Double($0.split(separator: " ").last ?? "") })
      }
      return (try value("mp_exit_layer_drift"), try value("mp_tokens_alive_drift"))
    }
    request.texts.removeLast()
    _ = try await fixture.model.answer(request)
    #expect(!fixture.metrics.text.contains("drift"))
    request.texts.removeLast(998)
    _ = try await fixture.model.answer(request)
    let first = try drift()
    #expect(abs(first.exits) < 1e-6 && abs(first.tokens - 1) < 1e-6)
    // Of texts that leave after the first layer, before tokens die. A mean of a thousand texts forgets a share of exp(-1)
    // in a thousand more.
    request.maxLayers = 1
    request.texts = Array(repeating: request.texts[0], count: 1000)
    _ = try await fixture.model.answer(request)
    let late = try drift()
    #expect(abs(late.exits - (1 - exp(-1))) < 0.001, "\(late)")
    #expect(late.tokens > 1.2, "\(late)")
  }
}
