// A wave loop that a test drives turn by turn, with a source that notes in which turn each sample was admitted and
// answered: what happens inside is seen from the outside, and the engine has no hook for it.

import MagicPyramid
import PyramidTestSupport
import Testing

@testable import PyramidRuntime

/// A wave loop over batches of the test.
final class DrivenLoop {
  private let loop: WaveLoop
  private let source = ListedSamples()
  private let shape: ModelShape
  private let recordsPositions: Bool

  convenience init(_ model: LoadedModel, _ policies: ResolvedPolicies, _ options: ExecutorOptions) throws {
    let program = try Program(model.graph, target: model.instructionSet, address: model.address(of:))
    try self.init(program, model, policies, options)
  }

  /// A loop over a program of the test's own.
  init(_ program: Program, _ model: LoadedModel, _ policies: ResolvedPolicies, _ options: ExecutorOptions) throws {
    var options = options
    // On the test's thread: OpenMP would make a team for it.
    options.threads = 1
    (shape, recordsPositions) = (model.graph.shape, options.recordsPositions)
    loop = try WaveLoop(program, of: model, policies: policies, options: options, source: source)
  }

  /// Answers a batch.
  func run(_ batch: PackedBatch) -> [Answer] {
    source.batch = batch
    source.admissions = []
    source.table.prepare(for: batch, shape: shape, recordsPositions: recordsPositions)
    repeat { source.turn += 1 } while loop.advance()
    sectionRuns = source.turn - 1
    return source.table.answers
  }

  /// Sections that the last batch took: each turn runs one, the first of a wave when it is admitted.
  private(set) var sectionRuns = 0

  /// Waves that were admitted so far.
  var waves: Int { source.waves }

  /// Turns that answered samples of several waves, which had become one: every sample is answered in the section that
  /// it leaves in.
  var joined: Int { source.wavesAnswered.values.count { $0.count > 1 } }
}

/// The samples of a batch, in their order.
private final class ListedSamples: SampleSource {
  var batch = PackedBatch()
  var turn = 0
  let table = AnswerTable()
  /// The turn in which each sample was admitted.
  var admissions: [Int] = []
  private(set) var waves = 0
  /// By turn, the turns in which the samples were admitted that it answered.
  private(set) var wavesAnswered: [Int: Set<Int>] = [:]

  var hasNext: Bool { admissions.count < batch.sampleCount }

  func next(room: WaveRows, into inputs: TokenInputs) -> AdmittedSample? {
    let index = admissions.count
    guard hasNext, batch.length(of: index) <= room.tokens else { return nil }
    batch.copy(index, to: inputs)
    if admissions.last != turn { waves += 1 }
    admissions.append(turn)
    return AdmittedSample(id: SampleID(index: index), tokens: batch.length(of: index), isLast: !hasNext)
  }

  func deliver(_ answer: SampleAnswer, to sample: SampleID) {
    table.answer(sample.index, answer)
    wavesAnswered[turn, default: []].insert(admissions[sample.index])
  }
}
