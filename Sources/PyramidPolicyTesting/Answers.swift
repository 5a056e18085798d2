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
  let workload: Workload
  let progress: (String) -> Void

  /// Is given answers of a contender to the texts from number `first` on.
  typealias Receiver = (_ contender: Int, _ first: Int, _ outcomes: [SampleOutcome]) throws -> Void

  private static let textsPerPiece = 512

  private var texts: [LabelledDataSet.Row] { workload.texts }

  /// The answers to all texts but the first `answered[i]`, which contender i has given before; `done` is given them in
  /// pieces, in the order of the texts, perhaps with some of those again.
  func find(_ answered: [Int], done: Receiver) throws {
    let wanted = answered.indices.filter { answered[$0] < texts.count }
    var alone = wanted
    for group in groups(wanted) where group.count > 1 {
      guard try watched(group, from: group.map { answered[$0] }.min() ?? 0, done) else { continue }
      alone.removeAll(where: group.contains)
    }
    for contender in alone { try run(contender, from: answered[contender], done) }
  }

  /// Contenders that one pass can answer, in the order of their first.
  private func groups(_ wanted: [Int]) -> [[Int]] {
    var (keys, groups): ([String], [[Int]]) = ([], [])
    for index in wanted {
      let (classifier, source) = (contenders[index].classifier, contenders[index].source)
      let model = classifier.model
      // The portable kernels don't promise that a text's bits are the same alone and in a batch; windows are several texts,
      // and what compares the texts of a group can't be asked about one.
      guard let exit = classifier.policies.exit, model.instructionSet != .portable, case .whole = workload.plan,
        !exit.exitSignals.contains(.groupLogits)
      else { continue }
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

  private func run(_ index: Int, from first: Int, _ done: Receiver) throws {
    let contender = contenders[index]
    // A batch that was answered in part is answered again: kernels may round by the batch.
    let blocks = workload.batchBlocks.filter { $0.upperBound > first }
    var clockwork = RemainingTime(texts: texts.count - (blocks.first?.lowerBound ?? 0))
    for range in blocks {
      progress("answers of \(contender.name): \(range.lowerBound)/\(texts.count)\(clockwork.text)")
      let answers = try workload.answers(of: contender.classifier, to: range)
      try done(index, range.lowerBound, answers.map { SampleOutcome($0.target, $0.answer) })
      clockwork.did(range.count)
    }
  }

  /// Finds the outcomes of a group, text by text in one run; false where they can't be found that way.
  private func watched(_ group: [Int], from first: Int, _ done: Receiver) throws -> Bool {
    let members = group.map { contenders[$0] }
    var replays: [OperationReplay] = []
    for member in members {
      guard let replay = OperationReplay(member.classifier.model.graph) else { return false }
      replays.append(replay)
    }
    let policies = members.compactMap(\.classifier.policies.exit)
    let boundaries = Set(
      members[0].classifier.model.graph.decisions.exits.map(\.number).filter { number in
        policies.contains { $0.isActive(afterLayer: number) }
      })
    guard !boundaries.isEmpty else { return false }
    let watch = ExitWatch(policies, boundaries: boundaries)
    guard let classifier = try members[0].source.watching(watch, in: members[0]) else { return false }
    var outcomes = Array(repeating: [SampleOutcome](), count: group.count)
    var (piece, clockwork) = (first, RemainingTime(texts: texts.count - first))
    for index in first..<texts.count {
      let row = texts[index]
      if index % 16 == 0 {
        progress("answers of \(group.count) exit policies at once: \(index)/\(texts.count)\(clockwork.text)")
      }
      let encoding = classifier.encode(row.text, pair: row.pair)
      let whole = try classifier.classify(encodings: [encoding], first: index)[0]
      for (member, leaving) in watch.leavings.enumerated() {
        var (target, answer) = (whole.target, whole.answer)
        if let leaving {
          answer.logits = leaving.logits
          target = members[member].target(of: answer)
          answer.exitLayer = leaving.layer
          answer.tokensAlive =
            leaving.layer == 0 ? [encoding.ids.count] : Array(whole.answer.tokensAlive.prefix(leaving.layer))
        }
        answer.operations = replays[member].count(
          entered: encoding.ids.count, tokens: whole.answer.tokensAlive, exitLayer: answer.exitLayer)
        outcomes[member].append(SampleOutcome(target, answer))
      }
      clockwork.did(1)
      guard index + 1 == texts.count || index + 1 - piece == Self.textsPerPiece else { continue }
      for member in group.indices {
        try done(group[member], piece, outcomes[member])
        outcomes[member] = []
      }
      piece = index + 1
    }
    return true
  }
}

extension Contender {
  /// What an answer that was made of a head's logits means, as the classifier itself would say.
  fileprivate func target(of answer: Answer) -> LabelTarget {
    switch answer.task {
    case .classification: return .one(answer.label)
    case .multiLabel:
      let scores = answer.probabilities
      return .several(scores.indices.filter { scores[$0] >= source.labelThreshold })
    case .ranking, .regression: return .value(Double(answer.logits[0]))
    }
  }
}

extension SampleOutcome {
  init(_ target: LabelTarget, _ answer: Answer) {
    self.init(
      target, exitLayer: answer.exitLayer, tokensAlive: answer.tokensAlive,
      operations: answer.operations.executed, paperOperations: answer.operations.paper,
      probabilities: answer.probabilities)
  }
}
