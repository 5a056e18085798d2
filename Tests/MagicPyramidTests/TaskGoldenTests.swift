// Each task against `transformers`: scores of its pipelines, windows of long texts, zero-shot labels; and groups that are
// ranked, against the reference interpreter. Scripts/make-task-golden makes the checkpoints and the numbers.

import Foundation
import MagicPyramid
import PyramidFormats
import PyramidReference
import PyramidTestSupport
import Testing

@Suite struct `Goldens of tasks` {
  struct Golden: Decodable {
    let texts: [String]
    let scores, windows, pairWindows: [[Float]]
    let one, several: [[Float]]?
  }

  static let folder = Repository.root + "/Tests/Golden/tasks"
  static let tasks: [(String, ModelTask)] = [
    ("labels", .multiLabel), ("ranking", .ranking), ("regression", .regression), ("regression-two", .regression),
    ("inference", .classification),
  ]

  private func golden(_ name: String) throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: Data(contentsOf: URL(filePath: "\(Self.folder)/\(name)/golden.json")))
  }

  private func classifier(_ name: String, exit: String? = nil) throws -> Classifier {
    try Classifier(
      model: CompiledCheckpoint("\(Self.folder)/\(name)", for: InstructionSet.supported.last!, exit: exit).model,
      registry: CompiledCheckpoint.registry.get())
  }

  @Test(arguments: tasks)
  func `Scores are those of the text-classification pipeline`(name: String, task: ModelTask) throws {
    let (golden, classifier) = (try golden(name), try classifier(name))
    #expect(classifier.task == task)
    for (answer, scores) in zip(try classifier.classify(golden.texts), golden.scores) {
      #expect(answer.scores.largestDifference(to: scores) < 1e-4)
      #expect(answer.probabilities == (task == .regression ? [] : answer.scores))
      #expect(answer.labels?.count == (task == .multiLabel ? scores.count { $0 >= 0.5 } : nil))
      // The checkpoint for ranking names the identity as its activation_fn, which is what `score` is made by.
      #expect(answer.score == (task == .ranking ? answer.answer.logits[0] : answer.scores.max()))
    }
  }

  @Test(arguments: tasks)
  func `Windows of long texts and of second texts are those of transformers`(name: String, task: ModelTask) throws {
    let (golden, classifier) = (try golden(name), try classifier(name))
    let windows = try TextWindows(length: 10, overlap: 3, for: classifier)
    for (pair, expected) in [(false, golden.windows), (true, golden.pairWindows)] {
      let lines = golden.texts.map { text in
        JSONWriter.string(pair ? ["text": "w6 w8", "text_pair": .string(text)] : ["text": .string(text)])
      }
      let folder = try TemporaryFolder()
      let path = try folder.write("texts.jsonl", lines.joined(separator: "\n"))
      let stream = try ClassificationStream(
        RecordReader(path: path, layout: TextLayout(.jsonl)), classifier: classifier, plan: .windows(windows))
      let answers = try #require(try stream.next()).map { try $0.get() }
      for (answer, logits) in zip(answers, expected) {
        #expect(answer.classification.answer.logits.largestDifference(to: logits) < 1e-4)
        #expect(answer.classification.windows == answer.parts.count && !answer.classification.isTruncated)
      }
      #expect(answers[0].parts.count == 1 && answers[5].parts.count > 2)
    }
  }

  @Test func `Zero-shot labels are scored as the pipeline scores them, one of them or each for itself`() throws {
    let (golden, classifier) = (try golden("inference"), try classifier("inference"))
    for (isMulti, expected) in [(false, golden.one), (true, golden.several)] {
      let question = try ZeroShot(["w12", "w20 w21", "w33"], hypothesis: "w9 {} w7", isMulti: isMulti, for: classifier)
      let stream = try ClassificationStream(
        TextArray(Array(golden.texts.prefix(5))), classifier: classifier, plan: .zeroShot(question))
      let answers = try #require(try stream.next()).map { try $0.get().classification }
      for (answer, scores) in zip(answers, try #require(expected)) {
        #expect(answer.scores.largestDifference(to: scores) < 1e-4)
        #expect(answer.candidates == ["w12", "w20 w21", "w33"] && (answer.labels != nil) == isMulti)
      }
    }
    let other = try self.classifier("labels")
    #expect(throws: RuntimeError.self) { try ZeroShot(["a"], for: other) }
    #expect(throws: RuntimeError.self) { try ZeroShot(["a"], hypothesis: "no place", for: classifier) }
  }

  @Test func `A criterion that makes no sense for the task is refused, with those that do`() throws {
    for (name, exit, fitting) in [
      ("ranking", "entropy", "value-change"), ("regression", "patience", "value-change"),
      ("labels", "margin", "entropy"),
      ("inference", "value-change", "entropy"),
    ] {
      let error = #expect(throws: PolicyError.self) { try classifier(name, exit: exit) }
      #expect(error?.description.contains(fitting) == true, "\(name): \(error?.description ?? "")")
    }
    #expect(throws: RuntimeError.self) { try classifier("ranking", exit: "ranking").classify(["w5 w6"]) }
  }

  @Test func `The sets of labels that entropy and divergence let leave are the reference's`() throws {
    let golden = try golden("labels")
    for name in ["entropy", "patience-divergence"] {
      let compiled = try CompiledCheckpoint("\(Self.folder)/labels", for: .portable, exit: name)
      var layers: Set<Int> = []
      for threshold in [0.001, 0.01, 0.05, 0.3, 0.69] {
        let exit =
          name == "entropy" ? "entropy(threshold=\(threshold + 0.3))" : "\(name)(threshold=\(threshold), patience=1)"
        var options = ClassifierOptions()
        options.policies = PolicyChoice(exit: try PolicySpec(exit))
        let classifier = try Classifier(
          model: compiled.model, registry: CompiledCheckpoint.registry.get(), options: options)
        let ids = golden.texts.map { classifier.encode($0).ids }
        let expected = try compiled.oracle(exit: exit).run(ReferenceBatch(tokenIDs: ids)).map(\.exitLayer)
        #expect(try classifier.classify(golden.texts).map(\.answer.exitLayer) == expected, "\(exit)")
        layers.formUnion(expected)
      }
      #expect(layers.count > 1, "\(name) decides nothing here: \(layers)")
    }
  }

  private static let groups: [[(first: String, second: String)]] = [9, 1, 14, 4].enumerated().map { number, size in
    (0..<size).map { pair in
      let words = (0...(pair + number) % 7).map { "w\(5 + (7 * pair + 11 * number + 3 * $0) % 35)" }
      return (first: "w\(6 + number) w8", second: words.joined(separator: " "))
    }
  }

  @Test func `A ranking decides as the reference does, and a group's answers do not depend on other groups`() throws {
    let compiled = try CompiledCheckpoint(
      "\(Self.folder)/ranking", for: InstructionSet.supported.last!, exit: "ranking(k=2, slack=0.3)")
    let classifier = try Classifier(model: compiled.model, registry: CompiledCheckpoint.registry.get())
    let groups = Self.groups
    let found = try classifier.classify(groups: groups)
    let encodings = groups.flatMap { $0.map { classifier.encode($0.first, pair: $0.second) } }
    var batch = ReferenceBatch(tokenIDs: encodings.map(\.ids), typeIDs: encodings.map(\.typeIDs))
    batch.groups = groups.enumerated().flatMap { number, group in group.map { _ in number } }
    let expected = try compiled.oracle().run(batch)
    #expect(found.flatMap(\.self).map(\.answer.exitLayer) == expected.map(\.exitLayer))
    #expect(Set(expected.map(\.exitLayer)).count > 1)
    for (number, group) in groups.enumerated() {
      let alone = try classifier.classify(groups: [group])[0]
      #expect(alone.map(\.answer.logits) == found[number].map(\.answer.logits))
      // The best two never leave early, so their order is the whole model's.
      let dense = try self.classifier("ranking").classify(groups: [group])[0].map { $0.answer.logits[0] }
      let last = found[number].filter { $0.answer.exitLayer == 3 }.count
      #expect(last >= min(2, dense.count))
    }
  }

  @Test func `Groups of a file are ranked wherever their pairs stand, and only the best are handed out`() throws {
    let lines = Self.groups.enumerated().flatMap { number, group in
      group.map {
        JSONWriter.string(["query": .string("q\(number)"), "text": .string($0.first), "text_pair": .string($0.second)])
      }
    }
    let folder = try TemporaryFolder()
    // Every other line first, so that groups are torn apart.
    let torn = lines.enumerated().sorted { ($0.offset % 2, $0.offset) < ($1.offset % 2, $1.offset) }.map(\.element)
    let path = try folder.write("pairs.jsonl", torn.joined(separator: "\n"))
    var layout = TextLayout(.jsonl)
    layout.group = .name("query")
    let classifier = try classifier("ranking")
    let expected = try classifier.classify(groups: Self.groups).map { $0.map { $0.answer.logits[0] }.sorted(by: >) }
    let stream = try GroupStream(RecordReader(path: path, layout: layout), classifier: classifier, topCount: 3)
    var best: [String: [Float]] = [:]
    while let lot = try stream.next() {
      for answered in try lot.map({ try $0.get() }) {
        best[answered.record.group ?? "", default: []].append(answered.classification.answer.logits[0])
        #expect(answered.rank == best[answered.record.group ?? ""]?.count)
      }
    }
    for (number, logits) in expected.enumerated() { #expect(best["q\(number)"] == Array(logits.prefix(3))) }
    #expect(throws: RuntimeError.self) {
      try GroupStream(TextArray(["a"]), classifier: self.classifier("labels"))
    }
    // Each record counts with what keeping it takes.
    let bounded = try GroupStream(TextArray(["a", "a", "a"]), classifier: classifier, maximumBytes: 3 * 256)
    #expect(throws: FormatError.self) { try bounded.next() }
  }
}
