// What every contender answers to every text, without a clock. Exit policies that prune alike and decide at the same
// boundaries are asked in one pass over the texts (ExitWatch); whatever can't be answered that way runs by itself. Both
// ways give the same answers, bit for bit, and the same counts of operations.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats
import PyramidIR

/// Answers of contenders, found with as few runs as possible.
struct Answers {
  let contenders: [Contender]
  let texts: [LabelledDataSet.Row]
  let batchBlocks: [Range<Int>]
  let progress: (String) -> Void

  /// The answers to all texts of those contenders whose numbers are in `wanted`; `done` is given them as soon as they
  /// are complete.
  func find(_ wanted: [Int], done: (_ contender: Int, _ outcomes: [SampleOutcome]) throws -> Void) throws {
    var alone = wanted
    for group in groups(wanted) where group.count > 1 {
      guard let outcomes = try watched(group) else { continue }
      for (contender, outcomes) in zip(group, outcomes) { try done(contender, outcomes) }
      alone.removeAll(where: group.contains)
    }
    for contender in alone { try done(contender, try run(contender)) }
  }

  /// Contenders that one pass can answer, in the order of their first.
  private func groups(_ wanted: [Int]) -> [[Int]] {
    var (keys, groups): ([String], [[Int]]) = ([], [])
    for index in wanted {
      let (classifier, source) = (contenders[index].classifier, contenders[index].source)
      let model = classifier.model
      // The portable kernels don't promise that a text's bits are the same alone and in a batch.
      guard classifier.policies.exit != nil, model.instructionSet != .portable else { continue }
      let places = model.graph.decisions
      let key =
        "\(source.path) \(source.precision) \(classifier.policies.prune?.spec.description ?? "-") "
        + "\(places.exits.sorted()) \(places.prunes.sorted())"
      if let known = keys.firstIndex(of: key) {
        groups[known].append(index)
      } else {
        keys.append(key)
        groups.append([index])
      }
    }
    return groups
  }

  private func run(_ index: Int) throws -> [SampleOutcome] {
    let contender = contenders[index]
    progress("answers of \(contender.name) ...")
    return try batchBlocks.flatMap { range in
      try contender.classifier.classify(rows: texts[range]).map { SampleOutcome($0.answer) }
    }
  }

  /// The outcomes of a group, text by text in one run; nil where they can't be found that way.
  private func watched(_ group: [Int]) throws -> [[SampleOutcome]]? {
    let members = group.map { contenders[$0] }
    var replays: [OperationReplay] = []
    for member in members {
      guard let replay = OperationReplay(member.classifier.model.graph) else { return nil }
      replays.append(replay)
    }
    let policies = members.compactMap(\.classifier.policies.exit)
    let boundaries = Set(
      members[0].classifier.model.graph.decisions.exits.map(\.number).filter { number in
        policies.contains { $0.isActive(afterLayer: number) }
      })
    guard !boundaries.isEmpty else { return nil }
    let watch = ExitWatch(policies, boundaries: boundaries)
    guard let classifier = try members[0].source.watching(watch, in: members[0]) else { return nil }
    var outcomes = Array(repeating: [SampleOutcome](), count: group.count)
    for (index, row) in texts.enumerated() {
      if index % 16 == 0 { progress("answers of \(group.count) exit policies at once: \(index)/\(texts.count)") }
      let encoding = classifier.encode(row.text, pair: row.pair)
      let whole = try classifier.classify(encodings: [encoding])[0].answer
      for (member, leaving) in watch.leavings.enumerated() {
        var answer = whole
        if let leaving {
          answer.logits = leaving.logits
          answer.exitLayer = leaving.layer
          answer.tokensAlive =
            leaving.layer == 0 ? [encoding.ids.count] : Array(whole.tokensAlive.prefix(leaving.layer))
        }
        answer.operations = replays[member].count(
          entered: encoding.ids.count, tokens: whole.tokensAlive, exitLayer: answer.exitLayer)
        outcomes[member].append(SampleOutcome(answer))
      }
    }
    return outcomes
  }
}

extension Classifier {
  func classify(rows: ArraySlice<LabelledDataSet.Row>) throws -> [Classification] {
    try classify(encodings: rows.map { encode($0.text, pair: $0.pair) })
  }
}

extension SampleOutcome {
  init(_ answer: Answer) {
    self.init(
      label: answer.label, exitLayer: answer.exitLayer, tokensAlive: answer.tokensAlive,
      operations: answer.operations.executed, paperOperations: answer.operations.paper,
      probabilities: answer.probabilities)
  }
}
