// The measuring itself. First all answers, without a clock; then each repetition takes all texts one by one, and again
// in batches, and on every block all contenders take their turn, a different one first each time. A turn that the
// machine disturbed is taken again.

import MagicPyramid
import PyramidEvaluation
import PyramidFormats

/// How contenders are measured.
public struct MeasurementOptions {
  /// Times that every text is timed; null models make do with `nullRepetitions`.
  public var repetitions = 5
  /// Times that every text is timed with null models.
  public var nullRepetitions = 2
  /// Whether anything is timed: without, answers and operations are all there is, in seconds instead of minutes.
  public var isTimed = true
  /// Keeps what was measured, and what an earlier process did.
  public var log: MeasurementLog?
  /// The machine's counters, or nil where there are none.
  public var activity: () -> MachineActivity? = MachineActivity.now
  /// Threads that contenders compute with.
  public var threads = 1
  /// Is told what is being done, and what is left of it.
  public var progress: (String) -> Void = { _ in }

  /// The defaults.
  public init() {}
}

/// What was measured: answers and times of all contenders on one workload.
public struct Measurement {
  /// The contenders, dense first.
  public let contenders: [Contender]
  /// What they were given.
  public let workload: Workload
  /// Times that everything but null models was timed; 0 where only answers were wanted.
  public let repetitions: Int
  /// Answers and times of each contender.
  public private(set) var measured: [MeasuredContender]
  /// The candidate of a null model that got into the table, by what it was chosen to match; nil without candidates.
  public private(set) var chosen: Int?
  /// What disturbed the times.
  public private(set) var disturbances = DisturbanceTally()
  private let options: MeasurementOptions
  private let clock = ContinuousClock()
  private var retakes = 0

  /// Measures, at least one contender and one repetition; `progress` is told what is being done. Throws what
  /// classifying throws.
  public init(
    _ contenders: [Contender], _ workload: Workload, repetitions: Int, progress: @escaping (String) -> Void = { _ in }
  ) throws {
    var options = MeasurementOptions()
    options.repetitions = repetitions
    options.progress = progress
    try self.init(contenders, workload, options)
  }

  /// Measures, at least one contender, dense first. Throws what classifying throws.
  public init(_ contenders: [Contender], _ workload: Workload, _ options: MeasurementOptions) throws {
    self.contenders = contenders
    self.workload = workload
    self.options = options
    let repetitions = options.isTimed ? options.repetitions : 0
    self.repetitions = repetitions
    measured = contenders.map {
      MeasuredContender(repetitions: $0.role == .null ? min(repetitions, options.nullRepetitions) : repetitions)
    }
    try findAnswers()
    choose()
    if options.isTimed { try time() }
  }

  /// Seconds that a measurement takes at most, by the time that dense takes for a few texts: policies are there to take
  /// less.
  public static func estimate(
    _ contenders: [Contender], _ workload: Workload, _ options: MeasurementOptions
  ) throws -> Double {
    let dense = contenders[0].classifier
    let requests = workload.requests
    let probe = stride(from: 0, to: requests.count, by: max(requests.count / 8, 1)).prefix(8).map { requests[$0] }
    func run() throws { for request in probe { _ = try workload.answers(of: dense, to: request) } }
    try run()
    let taken = try ContinuousClock().measure(run)
    let pass = taken / .seconds(1) / Double(probe.count) * Double(requests.count)
    let timed = contenders.lazy.filter { !$0.isCandidate }.map {
      $0.role == .null ? min(options.repetitions, options.nullRepetitions) : options.repetitions
    }.reduce(0, +)
    return pass * Double(contenders.count { !$0.isCandidate } + (options.isTimed ? 2 * timed : 0))
  }

  private mutating func findAnswers() throws {
    let (known, classes) = (options.log?.outcomes ?? [:], contenders[0].classifier.labels.count)
    let probabilities = contenders[0].classifier.task == .regression ? 0 : classes
    func isAnswer(_ target: LabelTarget) -> Bool {
      switch (target, workload.key.kind) {
      case (.one(let label), .one): label < classes
      case (.several(let set), .several): set.allSatisfy { $0 < classes }
      case (.value, .value): true
      default: false
      }
    }
    let layers = contenders.map { $0.classifier.model.graph.shape.layers }.max() ?? 0
    for (contender, outcomes) in known where measured.indices.contains(contender) {
      let isSound = outcomes.allSatisfy {
        isAnswer($0.answer) && $0.probabilities.count == probabilities && !$0.tokensAlive.isEmpty
          && $0.exitLayer <= layers
          && $0.tokensAlive.count <= layers && $0.operations > 0
      }
      guard isSound, outcomes.count <= workload.texts.count else {
        throw ComparisonError("\(options.log?.path ?? ""): holds answers that no model here gives; delete it")
      }
      measured[contender].outcomes = outcomes
    }
    let answers = Answers(
      contenders: contenders, workload: workload, progress: options.progress)
    try answers.find(measured.map(\.outcomes.count)) { contender, first, outcomes in
      measured[contender].outcomes.removeLast(measured[contender].outcomes.count - first)
      measured[contender].outcomes += outcomes
      try options.log?.add(outcomes, of: contender, first: first)
    }
  }

  /// The candidate that stands in the table: the one that costs least of those at least as good as the first policy, or
  /// else the best one.
  private mutating func choose() {
    let candidates = contenders.indices.filter { contenders[$0].isCandidate }
    guard !candidates.isEmpty else { return }
    func quality(_ contender: Int) -> Double { workload.key.quality(measured[contender].outcomes).value }
    func cost(_ contender: Int) -> Double { measured[contender].outcomes.reduce(0) { $0 + Double($1.operations) } }
    let wanted = contenders.firstIndex { $0.role == .policy }.map(quality) ?? 0
    chosen =
      candidates.filter { quality($0) >= wanted }.min { cost($0) < cost($1) }
      ?? candidates.max { (quality($0), -cost($0)) < (quality($1), -cost($1)) }
  }

  private mutating func time() throws {
    let timed = contenders.indices.filter { !contenders[$0].isCandidate || $0 == chosen }
    for contender in timed {
      options.progress("warming up \(contenders[contender].name) ...")
      for request in workload.requests.prefix(8) {
        _ = try workload.answers(of: contenders[contender].classifier, to: request)
      }
    }
    var clockwork = RemainingTime(
      texts: 2 * workload.texts.count * timed.reduce(0) { $0 + measured[$1].singles.count })
    for repetition in 0..<repetitions {
      for isBatch in [false, true] {
        let blocks = isBatch ? workload.batchBlocks : workload.singleBlocks
        for (block, range) in blocks.enumerated() {
          let taking = turns(timed, repetition + block).filter { repetition < measured[$0].singles.count }
          options.progress(
            "repetition \(repetition + 1)/\(repetitions), \(isBatch ? "in batches" : "one by one"): "
              + "\(range.lowerBound)/\(workload.texts.count)\(clockwork.text)")
          let turn = MeasurementLog.Turn(isBatch: isBatch, repetition: repetition, block: block)
          let known = options.log?.times[turn].flatMap { times in
            let count = isBatch ? 1 : workload.requests(in: range).count
            return taking.allSatisfy { times.seconds[$0]?.count == count } ? times : nil
          }
          let times = try known ?? quietTimes(taking, range, isBatch: isBatch)
          if known == nil { try options.log?.add(times, of: turn) }
          disturbances.add(times)
          for contender in taking { measured[contender].add(times.seconds[contender]!, isBatch: isBatch, repetition) }
          clockwork.did(range.count * taking.count, counts: known == nil)
        }
      }
    }
  }

  /// Times of one block: of the first try that nothing disturbed, else of the least disturbed of three. No more than a
  /// tenth of all turns is taken again: on a machine that is never quiet that would help nobody.
  private mutating func quietTimes(_ taking: [Int], _ range: Range<Int>, isBatch: Bool) throws -> TurnTimes {
    var best: (seconds: [Int: [Double]], disturbances: [Disturbance])?
    var kinds: Set<Disturbance.Kind> = []
    for _ in 0..<3 {
      let before = options.activity()
      var seconds: [Int: [Double]] = [:]
      for contender in taking {
        seconds[contender] =
          try isBatch
          ? [self.seconds(of: contender, range)]
          : workload.requests(in: range).map { try self.seconds(of: contender, $0) }
      }
      let found = before.flatMap { options.activity()?.disturbances(since: $0, threads: options.threads) } ?? []
      kinds.formUnion(found.map(\.kind))
      if best.map({ Disturbance.cpus(found) < Disturbance.cpus($0.disturbances) }) ?? true { best = (seconds, found) }
      guard !found.isEmpty, 10 * retakes < disturbances.turns + 20 else { break }
      retakes += 1
    }
    return TurnTimes(
      seconds: best!.seconds, disturbances: Disturbance.Kind.allCases.filter(kinds.contains),
      isDisturbed: !best!.disturbances.isEmpty)
  }

  /// Text in, label out.
  private func seconds(of contender: Int, _ range: Range<Int>) throws -> Double {
    let classifier = contenders[contender].classifier
    return try clock.measure { _ = try workload.answers(of: classifier, to: range) } / .seconds(1)
  }

  /// All of these contenders, the one at `first` of which starts.
  private func turns(_ contenders: [Int], _ first: Int) -> [Int] {
    contenders.indices.map { contenders[($0 + first) % contenders.count] }
  }
}

extension MeasuredContender {
  fileprivate mutating func add(_ times: [Double], isBatch: Bool, _ repetition: Int) {
    if isBatch {
      batches[repetition] += times
    } else {
      latencies += times
      singles[repetition].append(times.reduce(0, +))
    }
  }
}

/// How long the rest of some work on texts takes, by what was done so far.
struct RemainingTime {
  private let all: Int
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private var done = 0, counted = 0

  init(texts: Int) { (all, start) = (texts, clock.now) }

  /// Notes texts; those that an earlier process measured don't count for the speed.
  mutating func did(_ texts: Int, counts: Bool = true) {
    done += texts
    if counts { counted += texts }
  }

  /// `, about 3 min left`, or nothing at the beginning.
  var text: String {
    guard counted > 0 else { return "" }
    let taken = (clock.now - start) / .seconds(1)
    return ", about \(duration(taken / Double(counted) * Double(all - done))) left"
  }
}

/// A time for people: seconds below two minutes, then minutes, then hours.
public func duration(_ seconds: Double) -> String {
  if seconds < 120 { return "\(decimal(seconds.rounded(.up), 0)) s" }
  if seconds < 7200 { return "\(decimal(seconds / 60, 0)) min" }
  return "\(decimal(seconds / 3600, 1)) h"
}
