// What requests may ask of a model, and the bound of what waits for it.

import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Testing

@Suite struct `A served model` {
  private let texts = [(first: "w7 w9 w11", second: ""), (first: "w8", second: "w9")]

  @Test func `keeps the depth that a request or the operator asks for`() async throws {
    let fixture = try ServedFixture(exit: "never-exit") { $0.maxLayers = 2 }
    var request = ServingRequest(texts: texts)
    #expect(try await fixture.model.answer(request).answers.map(\.answer.exitLayer) == [2, 2])
    request.maxLayers = 1
    let answers = try await fixture.model.answer(request).answers
    #expect(answers.map(\.answer.exitLayer) == [1, 1] && answers.allSatisfy { $0.answer.limit == .maxLayers })
    request.maxLayers = 0
    await refused(request, by: fixture, "first exit head is after layer 1")
  }

  @Test func `lets requests change policies within the operator's range, and not beyond`() async throws {
    let fixture = try ServedFixture {
      $0.exitRange = try PolicyRange("entropy(threshold=0.1)..entropy(threshold=0.9)")
    }
    var request = ServingRequest(texts: texts)
    request.exit = "entropy(threshold=0.15)"
    #expect(try await fixture.model.answer(request).exit == "entropy(threshold=0.15)")
    for (spec, part) in [
      ("entropy(threshold=0.95)", "outside of what this server allows"), ("margin", "outside"),
      ("entropy(threshold=7)", "0...1"), ("no-such-policy", "no-such-policy"), ("entropy(", "entropy("),
    ] {
      request.exit = spec
      await refused(request, by: fixture, part)
    }
    request.exit = nil
    request.prune = "keep-all"
    await refused(request, by: fixture, "compiled without a prune policy")
    let closed = try ServedFixture()
    request = ServingRequest(texts: texts)
    request.exit = "entropy(threshold=0.15)"
    await refused(request, by: closed, "lets no request change it")
    // The model's own is no change.
    request.exit = ServedFixture.exit
    #expect(try await closed.model.answer(request).answers.count == 2)
  }

  @Test func `answers no more once somebody has written over its file`() async throws {
    let fixture = try ServedFixture()
    let request = ServingRequest(texts: texts)
    #expect(try await fixture.model.answer(request).answers.count == 2)
    try fixture.folder.flipLastByte("model.mpc")
    let error = await #expect(throws: ServingError.self) { try await fixture.model.answer(request) }
    #expect(error?.kind == .broken && error?.description.contains("was written over while it was in use") == true)
  }

  @Test func `is not ready once somebody has written over its file, unless it was read into memory`() throws {
    let fixture = try ServedFixture()
    try fixture.model.checkReady()
    try fixture.folder.flipLastByte("model.mpc")
    let error = #expect(throws: ServingError.self) { try fixture.model.checkReady() }
    #expect(error?.kind == .unavailable)
    let copied = try ServedFixture { $0.classifier.copiesModel = true }
    try copied.folder.flipLastByte("model.mpc")
    try copied.model.checkReady()
  }

  @Test func `refuses one text that is too long by itself, and cuts large ones one after another`() async throws {
    let fixture = try ServedFixture { $0.maxOneTextBytes = 100_000 }
    let large = String(repeating: "w7 ", count: 30_000)
    let answers = try await fixture.model.answer(ServingRequest(texts: [(large, ""), ("w7", "")])).answers
    #expect(answers[0].isTruncated && !answers[1].isTruncated)
    await refused(ServingRequest(texts: [(large + large, "")]), by: fixture, "180000 bytes", as: .tooLarge)
  }

  @Test func `refuses too many texts, and pairs where it takes none`() async throws {
    let fixture = try ServedFixture { $0.maxTexts = 1 }
    let error = await #expect(throws: ServingError.self) {
      try await fixture.model.answer(ServingRequest(texts: texts))
    }
    #expect(error?.kind == .tooLarge)
  }

  @Test func `refuses more bytes of text than it cuts at once, a query counted with each of its texts`() async throws {
    let fixture = try ServedFixture { $0.maxTextBytes = 20 }
    let query = String(repeating: "w7 ", count: 3)
    #expect(try await fixture.model.answer(ServingRequest(texts: [(query, "w8")])).answers.count == 1)
    let error = await #expect(throws: ServingError.self) {
      try await fixture.model.answer(ServingRequest(texts: [(query, "w8"), (query, "w9")]))
    }
    #expect(error?.kind == .tooLarge && error?.description.contains("22 bytes") == true)
  }

  /// A request whose text is refused once it is cut.
  private var refusedWhenCut: ServingRequest {
    var request = ServingRequest(texts: Array(repeating: (String(repeating: "w7 ", count: 200), ""), count: 4))
    request.refusesTruncation = true
    return request
  }

  @Test func `cuts no texts that there is no room for, or that nobody waits for`() async throws {
    let (model, request) = (try ServedFixture { $0.queueTokens = 10 }.model, refusedWhenCut)
    try await model.gate.admit(tokens: 7) {
      let error = await #expect(throws: ServingError.self) { try await model.answer(request) }
      #expect(error?.kind == .busy(retryAfter: 1))
    }
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await model.answer(request)
    }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func `shows the inside of a text within its limits, and counts all runs that it takes`() async throws {
    let request = ServingRequest(texts: [("w7 w9 w11", "")])
    let model = try ServedFixture(exit: "never-exit") { ($0.maxLayers, $0.queueTokens) = (2, 200) }.model
    let shown = JSONField(try await model.pyramid(of: request), file: "reply")
    #expect(try shown.required("heads").elements().map { try $0.required("layer").integer(in: 0...9) } == [1, 2])
    #expect(try shown.required("exit_layer").integer(in: 0...9) == 2)
    // Eight runs of five tokens, which leave a quarter to small requests.
    try await model.gate.filled(with: 110) { _ = try await model.pyramid(of: request) }
    try await model.gate.filled(with: 111) {
      let error = await #expect(throws: ServingError.self) { try await model.pyramid(of: request) }
      // How long to wait follows from how long those before took.
      guard case .busy = error?.kind else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    // Heads of which the policy reads logits alone, shadowed, too.
    let sure = try ServedFixture(exit: "max-probability(threshold=0.9)") { $0.shadow = 0.5 }.model
    #expect(try JSONField(try await sure.pyramid(of: request), file: "reply").required("ms_dense").double() > 0)
    let hasty = try ServedFixture { $0.deadline = .nanoseconds(1) }.model
    let error = await #expect(throws: ServingError.self) { try await hasty.pyramid(of: request) }
    #expect(error?.kind == .late)
  }

  @Test func `has a slider for each number that requests may change, whole ones in whole steps`() throws {
    let model = try ServedFixture(exit: "patience(patience=2)") {
      $0.exitRange = try PolicyRange("patience(patience=1)..patience(patience=3)")
    }.model
    let policy = try JSONField(model.controls, file: "reply").required("policies").elements()[0]
    let slider = try policy.required("sliders").elements()[0]
    #expect(try slider.required("name").string() == "patience")
    #expect(try ["value", "least", "most", "step"].map { try slider.required($0).double() } == [2, 1, 3, 1])
  }

  @Test func `has a slider for each number of a list, but none where requests may ask for another length`()
    async throws
  {
    func sliders(_ prune: String, _ first: String, _ last: String) throws -> (model: ServedModel, all: [JSONField]) {
      let model = try ServedFixture(exit: nil, prune: prune) {
        $0.pruneRange = try PolicyRange("\(first)..\(last)")
      }.model
      let policy = try JSONField(model.controls, file: "reply").required("policies").elements()[0]
      return (model, try policy.required("sliders").elements())
    }
    func numbers(_ sliders: [JSONField], _ key: String) throws -> [Double] {
      try sliders.map { try $0.required(key).double() }
    }
    let (name, ends) = ("received-attention", ["(thresholds=[0, 0.3])", "(thresholds=[1, 0.3])"])
    let (model, each) = try sliders(name + "(thresholds=[0.1, 0.3])", name + ends[0], name + ends[1])
    #expect(try each.map { try $0.required("name").string() } == ["thresholds", "thresholds", "scale"])
    #expect(try each.map { try $0.optional("place")?.string() } == ["after layer 1", "after layer 2", nil])
    #expect(try each.map { try $0.required("is_list").bool() } == [true, true, false])
    #expect(try numbers(each, "value") == [0.1, 0.3, 1])
    #expect(try numbers(each, "least") == [0, 0.3, 1] && numbers(each, "most") == [1, 0.3, 1])
    var request = ServingRequest(texts: texts)
    request.prune = name + "(thresholds=[0.75, 0.3], scale=1)"
    #expect(try await model.answer(request).prune == request.prune)
    // One number for all becomes one for each; the other way round there is nothing to show.
    let (_, one) = try sliders(name + "(thresholds=0.2)", name + ends[0], name + ends[1])
    #expect(try numbers(one, "value") == [0.2, 0.2, 1])
    let (_, others) = try sliders(name + "(thresholds=[0.1, 0.3])", name + "(thresholds=0)", name + "(thresholds=1)")
    #expect(try others.map { try $0.required("name").string() } == ["scale"])
    let (_, counts) = try sliders("top-k(keep=4)", "top-k(keep=[2, 2])", "top-k(keep=[8, 6])")
    #expect(try numbers(counts, "step").prefix(2) == [1, 1] && numbers(counts, "most").prefix(2) == [8, 6])
  }

  @Test func `answers drawn texts twice only where they fit into half of the queue`() async throws {
    let fixture = try ServedFixture { ($0.shadow, $0.queueTokens) = (1, 10) }
    try await fixture.model.gate.admit(tokens: 4) {
      _ = try await fixture.model.answer(ServingRequest(texts: [("w7", "")]))
      while !fixture.metrics.text.contains("mp_shadow_") { await Task.yield() }
      #expect(fixture.metrics.text.contains(#"mp_shadow_skipped_total{model="model",version="1"} 1"#))
    }
  }

  @Test func `gives up a request whose deadline passed`() async throws {
    let fixture = try ServedFixture { $0.deadline = .nanoseconds(1) }
    let error = await #expect(throws: ServingError.self) {
      try await fixture.model.answer(ServingRequest(texts: texts))
    }
    #expect(error?.kind == .late)
    #expect(fixture.model.gate.tokens == 0)
  }

  @Test func `counts what it answers`() async throws {
    let fixture = try ServedFixture { $0.shadow = 1 }
    let result = try await fixture.model.answer(ServingRequest(texts: texts))
    let text = fixture.metrics.text
    #expect(text.contains(#"mp_texts_total{model="model",version="1"} 2"#))
    #expect(text.contains(#"mp_exit_layer_count{model="model",version="1"} 2"#))
    let depth = result.answers.reduce(0) { $0 + $1.answer.exitLayer }
    #expect(text.contains(#"mp_exit_layer_sum{model="model",version="1"} \#(depth)"#))
    // The shadow answers in tasks of its own.
    while !fixture.metrics.text.contains(#"mp_shadow_texts_total{model="model",version="1"} 2"#) { await Task.yield() }
  }

  @Test func `loosens its exits as the queue fills, up to the certified policy and no further`() async throws {
    let fixture = try ServedFixture(isCertified: true) {
      $0.classifier.policies.exit = try PolicySpec("entropy(threshold=0.2)")
      ($0.isAdaptive, $0.queueTokens) = (true, 1000)
    }
    let model = fixture.model
    for (waiting, part, spec) in [(0, 0.0, "0.2"), (450, 0.5, "0.5"), (900, 1.0, "0.8")] {
      try await model.gate.filled(with: waiting) {
        let result = try await model.answer(ServingRequest(texts: texts))
        #expect(result.loosened == part && result.exit == "entropy(threshold=\(spec))")
      }
    }
  }

  @Test func `is adaptive only with a certificate, and from a stricter policy`() throws {
    #expect(throws: ServingError.self) { try ServedFixture { $0.isAdaptive = true } }
    #expect(throws: ServingError.self) { try ServedFixture(isCertified: true) { $0.isAdaptive = true } }
    for (exit, prune, part) in [
      ("entropy(threshold=0.9)", nil, "not known to be stricter"), ("margin(threshold=0.5)", nil, "no range"),
      ("entropy(threshold=0.2)", "keep-all", "leave out --prune"),
    ] {
      let error = #expect(throws: ServingError.self) {
        try ServedFixture(prune: "received-attention(thresholds=0.1)", isCertified: true) {
          $0.classifier.policies = PolicyChoice(exit: try PolicySpec(exit), prune: try prune.map { try PolicySpec($0) })
          $0.isAdaptive = true
        }
      }
      #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
    }
  }

  @Test(arguments: [
    ("max-probability(threshold=0.9)", "max-probability(threshold=0.7)"),
    ("margin(threshold=0.6)", "margin(threshold=0.4)"),
  ])
  func `is adaptive from what leaves later, whichever way its numbers go`(strict: String, certified: String) throws {
    func model(_ exit: String, _ compiled: String) throws -> ServedModel {
      try ServedFixture(exit: compiled, isCertified: true) {
        $0.classifier.policies.exit = try PolicySpec(exit)
        $0.isAdaptive = true
      }.model
    }
    _ = try model(strict, certified)
    #expect(throws: ServingError.self) { try model(certified, strict) }
  }

  private func refused(
    _ request: ServingRequest, by fixture: ServedFixture, _ part: String, as kind: ServingError.Kind = .invalid
  ) async {
    let error = await #expect(throws: ServingError.self) { try await fixture.model.answer(request) }
    #expect(error?.kind == kind)
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }
}

extension AdmissionGate {
  /// Runs `body` while small requests of so many tokens together are there.
  fileprivate func filled(with tokens: Int, _ body: () async throws -> Void) async throws {
    if tokens == 0 { return try await body() }
    let part = min(tokens, max(1, capacity / 8))
    try await admit(tokens: part) { try await filled(with: tokens - part, body) }
  }
}

@Suite struct `The gate` {
  @Test func `refuses what would not fit`() async throws {
    let gate = AdmissionGate(capacity: 16)
    try await gate.filled(with: 15) {
      #expect(gate.tokens == 15 && gate.requests == 8)
      try await gate.admit(tokens: 1) {
        #expect(gate.fill == 1)
        #expect(throws: ServingError.self) { try gate.refuseIfFull() }
        let error = await #expect(throws: ServingError.self) { try await gate.admit(tokens: 1) {} }
        #expect(error?.kind == .busy(retryAfter: 1))
      }
      await #expect(throws: ServingError.self) { try await gate.admit(tokens: 2) {} }
    }
    await #expect(throws: CancellationError.self) { try await gate.admit(tokens: 5) { throw CancellationError() } }
    #expect(gate.tokens == 0 && gate.requests == 0 && gate.fill == 0)
  }

  @Test func `lets small requests in beside one of any length, but not a second large one`() async throws {
    let gate = AdmissionGate(capacity: 16)
    let count = try await gate.admit(tokens: 1000) {
      #expect(gate.tokens == 1000 && gate.fill == 0.5)
      for tokens in [5, 1000] {
        #expect(throws: ServingError.self) { try gate.refuseIfFull(atLeast: tokens) }
        await #expect(throws: ServingError.self) { try await gate.admit(tokens: tokens) {} }
      }
      try gate.refuseIfFull(atLeast: 2)
      try await gate.filled(with: 8) { #expect(gate.fill == 1) }
      return 7
    }
    #expect(count == 7 && gate.tokens == 0)
    // Where there is only a little, a large one leaves a quarter.
    try await gate.filled(with: 4) { try await gate.admit(tokens: 8) {} }
    try await gate.filled(with: 5) {
      await #expect(throws: ServingError.self) { try await gate.admit(tokens: 8) {} }
    }
  }
}

@Suite struct `Ranges of policies` {
  @Test func `hold what lies between their ends`() throws {
    let range = try PolicyRange("top-k(keep=4, fraction=0.5)..top-k(keep=8, fraction=0.5)")
    #expect(range.contains(try PolicySpec("top-k(keep=6, fraction=0.5)")))
    #expect(!range.contains(try PolicySpec("top-k(keep=9, fraction=0.5)")))
    #expect(!range.contains(try PolicySpec("top-k(keep=6, fraction=0.6)")))
    #expect(!range.contains(try PolicySpec("keep-all")))
    #expect(range.interpolated(0.5) == (try PolicySpec("top-k(keep=6, fraction=0.5)")))
    let one = try PolicyRange("entropy(threshold=0.1)")
    #expect(one.contains(one.first) && one.interpolated(0.3) == one.first)
    for text in ["entropy(threshold=0.1)..margin(threshold=0.2)", "a(x=b)..a(x=c)", "a(x=1)..a(y=1)"] {
      #expect(throws: ServingError.self) { try PolicyRange(text) }
    }
  }
}

@Suite struct `The test of a share` {
  /// How many of 400 sequences of 1,000 texts raise the alarm.
  private func alarms(share: Float) -> Int {
    (0..<400).count { run in
      var (random, test) = (SeededValues("share \(run)"), ShareTest(bound: 0.02, alpha: 0.05))
      return (0..<1000).contains { _ in
        test.count(isLost: (random.unit() + 1) / 2 < share)
        return test.isAlarming
      }
    }
  }

  @Test func `rarely raises the alarm at its bound, and nearly always above it`() {
    // 5% of 400 is 20; 33 is three standard deviations above.
    #expect(alarms(share: 0.02) <= 33)
    #expect(alarms(share: 0.06) >= 390)
  }
}

@Suite struct `Numbers` {
  @Test func `are written as Prometheus reads them`() {
    let registry = MetricRegistry()
    registry.series("b_total", .counter, "Help.", labels: ["a": "x\"\\\n"]).add(2)
    registry.series("b_total", .counter, labels: ["a": "y"]).add(0.5)
    let times = registry.series("a-seconds", .histogram([0.1, 1]))
    for value in [0.05, 0.1, 0.5, 7] { times.observe(value) }
    #expect(
      registry.text == """
        # TYPE a_seconds histogram
        a_seconds_bucket{le="0.1"} 2
        a_seconds_bucket{le="1"} 3
        a_seconds_bucket{le="+Inf"} 4
        a_seconds_sum 7.65
        a_seconds_count 4
        # HELP b_total Help.
        # TYPE b_total counter
        b_total{a="x\\"\\\\\\n"} 2
        b_total{a="y"} 0.5

        """)
  }

  @Test func `have the bounds that each series is made with, and may be observed without any`() {
    let registry = MetricRegistry()
    registry.series("a", .histogram([1]), labels: ["m": "x"]).observe(2)
    registry.series("a", .histogram([1, 2]), labels: ["m": "y"]).observe(2)
    registry.series("b", .gauge).observe(3)
    #expect(registry.text.contains(#"a_bucket{m="y",le="2"} 1"#) && !registry.text.contains(#"a_bucket{m="x",le="2"}"#))
    #expect(registry.text.contains("\nb 3\n"))
    registry.series("a", .histogram([1, 2, 3]), labels: ["m": "x"]).observe(3)
    #expect(registry.text.contains(#"a_bucket{m="x",le="3"} 1"#))
  }
}
