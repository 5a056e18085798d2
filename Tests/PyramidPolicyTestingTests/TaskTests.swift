// Comparisons of models that give several labels, ranks or numbers, from file to report, and what is refused about them.

import MagicPyramid
import PyramidFormats
import PyramidTestSupport
import Testing

@testable import PyramidPolicyTesting

@Suite struct TaskTests {
  private static func measure(
    _ scene: Scene, _ policies: [String], groups: TextColumn? = nil, log: (path: String, resumes: Bool)? = nil
  ) throws -> (measurement: Measurement, report: ComparisonReport, notes: [String]) {
    let list = try ContenderList(
      of: [scene.source], policies.flatMap { try PolicySweep($0).options }, nulls: scene.source)
    let workload = try scene.workload(list.contenders, groups: groups)
    var options = MeasurementOptions()
    options.isTimed = false
    if let log {
      options.log = try MeasurementLog(
        path: log.path, identity: list.identity(workload, options), resumes: log.resumes)
    }
    let measurement = try Measurement(list.contenders, workload, options)
    let report = try ComparisonReport(measurement, source: scene.source, command: "test", threads: 1)
    return (measurement, report, list.notes)
  }

  @Test func `Several labels are compared as sets, with every null model`() throws {
    let scene = try Scene(task: .sets, labelThreshold: 0.4)
    let found = try Self.measure(scene, ["e: exit=entropy(threshold=0.9)"])
    let outcomes = found.measurement.measured[0].outcomes
    let wanted = try scene.texts().rows.map(\.target)
    #expect(outcomes.contains { $0.answer != .several([]) })
    for outcome in outcomes {
      #expect(outcome.answer == .several(outcome.probabilities.indices.filter { outcome.probabilities[$0] >= 0.4 }))
    }
    let right = zip(outcomes, wanted).count { $0.answer == $1 }
    let headline = found.report.dense.answers.quality.headline
    #expect(headline.measure == .subsetAccuracy && headline.value == Double(right) / 40)
    #expect(found.report.policies.filter { $0.role == .null }.count == 5 && found.notes.isEmpty)
    #expect(found.report.notes.contains("A label is answered where its probability is at least 0.4"))
    var lines: [String] = []
    found.measurement.writeAnswers { lines.append($0) }
    #expect(lines.contains { $0.contains(#""labels":["class "#) } && !lines.contains { $0.contains("\"label\":") })
  }

  @Test func `Numbers are compared by correlation, without null models that need probabilities`() throws {
    let scene = try Scene(task: .regression)
    let found = try Self.measure(scene, ["v: exit=value-change(threshold=0.2)"])
    let outcomes = found.measurement.measured
    let headline = found.report.dense.answers.quality.headline
    #expect(headline.measure == .pearson && (headline.interval?.low ?? 1) < headline.value)
    #expect(outcomes[0].outcomes.allSatisfy { $0.probabilities.isEmpty })
    #expect(found.report.policies.map(\.role) == [.policy, .null, .null, .null, .null])
    #expect(found.notes == ["No null model bag-then-dense: its criterion makes no sense for these answers"])
    let entry = found.report.policies[0]
    let apart = zip(outcomes[0].outcomes, outcomes[1].outcomes).map { one, other in
      if case (.value(let one), .value(let other)) = (one.answer, other.answer) { abs(one - other) } else { Double.nan }
    }
    let likeness = try #require(entry.comparison?.likeness)
    #expect(abs(likeness.value - apart.reduce(0, +) / 40) < 1e-12 && likeness.value > 0)
    #expect(entry.comparison?.mcnemar == nil && entry.difference?.quality.counts == nil)
    #expect(entry.difference?.interval.value == entry.answers.quality.value - headline.value)
  }

  @Test func `Pairs are ranked in their groups, and the report says how many there are`() throws {
    let scene = try Scene(task: .ranking)
    let found = try Self.measure(scene, ["v: exit=value-change(threshold=0.5)"], groups: .name("text"))
    #expect(found.report.dense.answers.quality.headline.measure == .ndcg)
    #expect(
      found.report.notes.contains("8 groups are ranked; a request, in the latencies, is a group"),
      "\(found.report.notes)")
    #expect(found.report.markdown.contains("| nDCG@10") || found.report.markdown.contains(" nDCG@10 "))
    #expect(found.report.html.contains("MRR@10"))
    let without = try Self.measure(scene, ["v: exit=value-change(threshold=0.5)"])
    #expect(without.report.dense.answers.quality.headline.measure == .pearson)
  }

  @Test func `A policy that compares the pairs of a group is given whole groups, wherever they lie in the data`() throws
  {
    let scene = try Scene(task: .ranking)
    let contenders = try scene.contenders(["r: exit=ranking(k=2,slack=0.05)", "v: exit=value-change(threshold=0.5)"])
    // Texts of one relevance are a group: they lie apart.
    let workload = try scene.workload(contenders, batch: 32, groups: .number(1))
    #expect(workload.places != Array(0..<40) && workload.places.sorted() == Array(0..<40))
    let measurement = try Measurement(contenders, workload, repetitions: 1)
    let rows = try scene.texts().rows
    let groups = Dictionary(grouping: rows.indices) { "\(rows[$0].target)" }
    let expected = try groups.values.flatMap { places in
      try zip(
        places,
        contenders[1].classifier.classify(groups: [places.map { (rows[$0].text, rows[$0].pair ?? "") }])[0])
    }
    for (place, answer) in expected {
      let outcome = measurement.measured[1].outcomes[workload.places.firstIndex(of: place)!]
      #expect(outcome == SampleOutcome(answer.target, answer.answer))
    }
    #expect(Set(expected.map(\.1.answer.exitLayer)).count > 1)
    // A request is a group.
    #expect(measurement.measured[1].latencies.count == groups.count)
    var lines: [String] = []
    measurement.writeAnswers { lines.append($0) }
    #expect(lines.prefix(40).map { $0.contains("\"index\":0,") }.filter(\.self).count == 1)
    let alone = try #require(throws: RuntimeError.self) {
      try Measurement(contenders, scene.workload(contenders), repetitions: 1)
    }
    #expect(alone.description.contains("say what makes a group, --group-by FIELD"))
    let small = try #require(throws: ComparisonError.self) {
      try scene.workload(contenders, batch: 4, groups: .name("text"))
    }
    #expect(small.description.contains("a group has 5 texts, which are computed in one batch: give a batch of so many"))
  }

  @Test func `Long texts are compared in windows, as a stream answers them`() throws {
    let scene = try Scene()
    let contenders = try scene.contenders(["e: exit=entropy(threshold=0.9)", "f: exit=entropy(threshold=0.5)"])
    let windows = try TextWindows(length: 12, overlap: 4, for: contenders[0].classifier)
    let workload = try scene.workload(contenders, plan: .windows(windows))
    let measurement = try Measurement(contenders, workload, repetitions: 1)
    #expect(workload.long > 20 && workload.long < 40)
    for (contender, measured) in zip(contenders, measurement.measured) {
      let source = TextArray(try scene.texts().rows.map(\.text))
      let stream = try ClassificationStream(source, classifier: contender.classifier, plan: .windows(windows))
      var answers: [Classification] = []
      while let lot = try stream.next() { answers += try lot.map { try $0.get().classification } }
      #expect(measured.outcomes == answers.map { SampleOutcome($0.target, $0.answer) }, "\(contender.name)")
    }
    let report = try ComparisonReport(measurement, source: scene.source, command: "", threads: 1)
    #expect(
      report.notes.contains {
        $0.contains(
          "texts were read in windows of 12 tokens, 4 of them shared, and answered by the mean of their logits")
      }, "\(report.notes)")
    #expect(try measurement.pictures(1).count == 1)
  }

  @Test(arguments: [Scene.Task.sets, .regression])
  func `What was measured is read back as it was written`(task: Scene.Task) throws {
    let scene = try Scene(task: task)
    let (path, policy) = (scene.folder.path("partial"), task == .sets ? "exit=entropy" : "exit=value-change")
    let first = try Self.measure(scene, [policy], log: (path, false)).measurement
    let size = try String(decoding: MappedFile(path: path).withBytes { Array($0) }, as: UTF8.self).utf8.count
    let second = try Self.measure(scene, [policy], log: (path, true)).measurement
    #expect(second.measured.map(\.outcomes) == first.measured.map(\.outcomes))
    // Nothing was measured again: a line break is all that going on adds.
    #expect(try MappedFile(path: path).withBytes { $0.count } == size + 1)
  }

  @Test func `Sets are calibrated by what they lose as wholes, and numbers are not calibrated`() throws {
    let scene = try Scene(texts: 60, task: .sets)
    func calibrate(_ scene: Scene, _ exit: String) throws -> ExitCalibration {
      try ExitCalibration(
        scene.source, exit: exit, prune: nil, goal: .init(maxDrop: 0.9, confidence: 0.9, reference: .dense),
        texts: scene.texts(), dataChecksum: String(repeating: "0", count: 64))
    }
    let found = try calibrate(scene, "entropy(threshold=0.5...1/4)").calibration
    #expect(found.chosen != nil && found.settings.allSatisfy { $0.whole.count == 60 })
    #expect(found.settings.contains { $0.whole.losses > 0 })
    let error = try #require(throws: ComparisonError.self) {
      try calibrate(Scene(task: .regression), "value-change(threshold=0.5...1/4)")
    }
    #expect(error.description.contains("answers with a number, which is neither right nor wrong"))
  }

  @Test func `Expectations on numbers are about their correlation`() throws {
    let scene = try Scene(task: .regression)
    let comparison = try PolicyComparison(
      ["same: exit=never-exit", "first: exit=fixed-layer(layer=1)"], model: scene.checkpoint, texts: scene.data)
    try comparison.expectLoss(of: "same", atMost: 0.1)
    try comparison.expectFewerOperations(of: "first", than: "same", atEqualLoss: 199)
    let few = try #require(throws: ExpectationInconclusive.self) {
      try comparison.expectMoreAccurate("same", than: "dense")
    }
    #expect(few.sentence.contains("more of Pearson's correlation than dense"), "\(few.sentence)")
  }

  @Test func `What makes no sense of a task is refused with a sentence`() throws {
    let (sets, numbers, ranks) = (try Scene(task: .sets), try Scene(task: .regression), try Scene(task: .ranking))
    func refusal(_ body: () throws -> Void) -> String {
      #expect(throws: ComparisonError.self, performing: body)?.description ?? ""
    }
    let first = try sets.contenders(["exit=entropy"])
    #expect(refusal { _ = try sets.workload(first, groups: .name("text")) }.contains("groups are for models that rank"))
    #expect(
      refusal { _ = try Workload(numbers.texts(), classifier: first[0].classifier, batch: 8) }
        .contains("its labels were not read as multi-label wants them"))
    #expect(
      refusal { _ = try AnswerKey(numbers.texts(), .regression, classes: 3) }.contains("the model answers with 3"))
    #expect(throws: PolicyError.self) { try numbers.contenders(["exit=entropy"]) }
    #expect(
      refusal {
        _ = try ContenderList(
          of: [numbers.source], [PolicyOption("other: model=\(ranks.checkpoint)")], nulls: nil)
      }.contains("is for ranking, and"))
  }
}
