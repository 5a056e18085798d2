// What a request may hold before anybody has looked at what it asks, and what it may not ask at all.

import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Testing

@Suite struct `Bodies of requests` {
  @Test func `have no more values than the protocols need, since each takes a hundred times its bytes`() {
    let pairs = "{\"inputs\":[" + String(repeating: "[\"\"],", count: 100_001) + "[\"\"]]}"
    let error = #expect(throws: ServingError.self) { try PredictRequest(body: Array(pairs.utf8)) }
    #expect(error?.description.contains("values") == true, "\(error?.description ?? "")")
    let empty = [UInt8](repeating: 0, count: 4 * 200_001)
    let larger = #expect(throws: ServingError.self) { try OpenInferenceRequest.texts(bytes: empty[...]) }
    #expect(larger?.kind == .tooLarge)
  }

  @Test func `may name the model, as the client of KServe does`() throws {
    let tensor = #"{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}"#
    func named(_ field: String) throws -> String? {
      try OpenInferenceRequest(body: Array("{\(field)\"inputs\":[\(tensor)]}".utf8), jsonLength: nil).model
    }
    #expect(try named(#""model_name":"m","#) == "m" && named("") == nil)
    #expect(throws: ServingError.self) { try named(#""model_name":7,"#) }
  }

  @Test func `that change the repository ask for nothing but that`() throws {
    for body in ["", "{}", #"{"parameters":{}}"#, #"{"parameters":{"unload_dependents":false}}"#] {
      try ModelRepository.check(change: Array(body.utf8))
    }
    for body in [#"{"parameters":{"config":"{}"}}"#, #"{"parameters":{"file:1/model.mpc":"AA=="}}"#, #"{"a":1}"#, "["] {
      let error = #expect(throws: ServingError.self) { try ModelRepository.check(change: Array(body.utf8)) }
      #expect(error?.kind == .invalid)
    }
  }

  @Test func `go to models whose names clients encode`() {
    for (part, name) in [
      ("plain-1.2", "plain-1.2"), ("my%20model", "my model"), ("%C3%A9", "é"), ("%2fa%2F", "/a/"), ("", ""),
    ] { #expect(PercentEncoding.decoded(part) == name) }
    for part in ["%", "a%2", "%zz", "%C3", "%+1", "%ff"] { #expect(PercentEncoding.decoded(part) == nil) }
  }
}

@Suite struct `Shadow traffic` {
  private let request = ServingRequest(texts: [("w7 w9 w11", "")])

  /// The numbers once every drawn text of the requests has been answered twice.
  private func metrics(
    _ requests: [ServingRequest], _ change: (inout ServingOptions) -> Void = { _ in }
  ) async throws -> String {
    let fixture = try ServedFixture(isCertified: true) {
      $0.shadow = 1
      change(&$0)
    }
    for request in requests { _ = try await fixture.model.answer(request) }
    // Drawn texts are admitted in tasks of their own, which begin some time after the answer.
    for _ in 0..<3000 where !fixture.metrics.text.contains("mp_shadow_texts_total") || fixture.model.gate.tokens > 0 {
      try await Task.sleep(for: .milliseconds(10))
    }
    return fixture.metrics.text
  }

  @Test func `tests a certificate by texts that no limit chooses`() async throws {
    let labels = #"{model="model",version="1"}"#
    let plain = try await metrics([request])
    #expect(plain.contains("mp_shadow_texts_total\(labels) 1\n") && plain.contains("mp_certificate_alarm\(labels) 0"))
    // A request's limit makes its answers not those of the policy; the operator's, those of all.
    var limited = request
    limited.maxLayers = 1
    #expect(try await metrics([limited, limited, request]).contains("mp_shadow_texts_total\(labels) 1\n"))
    let shallow = try await metrics([request]) { $0.maxLayers = 1 }
    #expect(shallow.contains("mp_shadow_texts_total\(labels) 1\n") && !shallow.contains("mp_certificate_alarm"))
  }

  @Test func `is refused where answers are numbers`() {
    let error = #expect(throws: ServingError.self) { try ServedFixture(classes: 1) { $0.shadow = 0.5 } }
    #expect(error?.description.contains("numbers") == true)
  }
}
