// A sweep asks many policies in one run. What it derives must be what each policy's own run gives, to the last bit and the last
// operation.

import PyramidTestSupport
import Testing

@testable import PyramidPolicyTesting

@Suite struct AnswersTests {
  static let exits = [
    "exit=entropy(threshold=0.3...0.9/4)", "exit=patience(patience=1...2)", "exit=entropy(threshold=1)",
  ]

  /// Answers of all contenders found together, and each by itself.
  private static func both(_ contenders: [Contender], _ workload: Workload) throws -> (
    together: [[SampleOutcome]], alone: [[SampleOutcome]], passes: Set<String>
  ) {
    var passes: Set<String> = []
    let answers = Answers(
      contenders: contenders, workload: workload, progress: { passes.insert(String($0.prefix(30))) })
    let none = contenders.map { _ in [SampleOutcome]() }
    var (together, alone) = (none, none)
    try find(answers, &together)
    let found = passes
    for index in contenders.indices {
      // The others have answered; this one has some of the texts to go.
      var outcomes = contenders.indices.map { $0 == index ? Array(together[$0].prefix(index)) : together[$0] }
      try find(answers, &outcomes)
      alone[index] = outcomes[index]
    }
    return (together, alone, found)
  }

  private static func find(_ answers: Answers, _ outcomes: inout [[SampleOutcome]]) throws {
    var found = outcomes
    try answers.find(outcomes.map(\.count)) { contender, first, new in
      found[contender].removeLast(found[contender].count - first)
      found[contender] += new
    }
    outcomes = found
  }

  @Test(arguments: [
    "", " prune=top-k(fraction=0.6)", " prune=received-attention", " prune=salience(attention=1)",
    " prune=cls-attention", " prune=cls-fused(fraction=0.7)", " prune=merge(rate=2)", " prune=first-k(tokens=9)",
  ])
  func `Rows that a sweep derives equal rows that are measured`(prune: String) throws {
    let scene = try Scene()
    let contenders = try scene.contenders(Self.exits.map { $0 + prune })
    let workload = try scene.workload(contenders)
    let found = try Self.both(contenders, workload)
    // Seven policies in one pass; only dense runs by itself.
    #expect(found.passes.contains("answers of 7 exit policies at "), "\(found.passes)")
    #expect(!found.passes.contains { $0.hasPrefix("answers of exit") || $0.hasPrefix("answers of entropy") })
    for (index, contender) in contenders.enumerated() {
      #expect(found.together[index] == found.alone[index], "\(contender.name)")
    }
    let layers = Set(found.together.dropFirst().flatMap { $0.map(\.exitLayer) })
    #expect(layers.isSuperset(of: [0, 1, 4]), "\(layers)")
  }

  @Test(arguments: [
    (Scene.Task.sets, "exit=entropy(threshold=0.5...1/4)"), (.sets, "exit=patience-divergence(threshold=0.1...0.6/3)"),
    (.ranking, "exit=value-change(threshold=0.1...3/4)"), (.regression, "exit=value-change(threshold=0.1...3/4)"),
  ])
  func `Sets of labels and values that a sweep derives are those that are measured`(task: Scene.Task, sweep: String)
    throws
  {
    // Off the middle, so that the threshold is seen to be the classifier's.
    let scene = try Scene(task: task, labelThreshold: 0.6)
    let contenders = try scene.contenders([sweep])
    let found = try Self.both(contenders, scene.workload(contenders))
    #expect(found.passes.contains { $0.hasPrefix("answers of \(contenders.count - 1) exit policies") })
    #expect(found.together == found.alone)
    #expect(Set(found.together.dropFirst().joined().map(\.exitLayer)).count > 1, "nobody leaves early")
    #expect(Set(found.together.map { $0.map { "\($0.answer)" } }).count > 1, "all answer alike")
  }

  /// Criteria that read [CLS]'s rows, ids and earlier heads, and remember; the first are not asked at the entry.
  @Test func `Whatever a criterion reads and remembers, it answers in company as it does alone`() throws {
    let scene = try Scene()
    let policies = [
      "exit=saturation(threshold=0.1...0.9/3)", "exit=vote(votes=1...2)", "exit=token-hash(buckets=2...4)",
      "exit=patience-divergence(threshold=0.1...0.6/2)", "exit=window-trend", "exit=margin(threshold=0.1...0.5/2)",
    ]
    for prune in ["", " prune=merge(rate=1)"] {
      let contenders = try scene.contenders(policies.map { $0 + prune })
      let found = try Self.both(contenders, scene.workload(contenders))
      for (index, contender) in contenders.enumerated() {
        #expect(found.together[index] == found.alone[index], "\(contender.name)")
      }
      #expect(found.passes.contains { $0.hasPrefix("answers of 3 exit policies") }, "\(found.passes)")
    }
  }

  @Test func `The same holds for a compiled model, where controls and null models ride along`() throws {
    let scene = try Scene()
    let path = scene.folder.path("model.mpc")
    let compilation = try Compilation(
      checkpoint: scene.checkpoint,
      policies: PolicyChoice(exit: PolicySpec("entropy"), prune: PolicySpec("received-attention")))
    _ = try compilation.write(to: path, skipsCheck: true)
    let source = try ModelSource(path: path, registry: CompiledCheckpoint.registry.get())
    let contenders = try ContenderList(
      of: [source], PolicySweep("exit=entropy(threshold=0.2...0.9/4) prune=received-attention").options, nulls: source
    ).contenders
    let found = try Self.both(contenders, scene.workload(contenders))
    #expect(found.together == found.alone)
    #expect(contenders.filter { $0.role == .null }.count == 1 + 12 + 3)
  }

  @Test func `Null models and policies of other boundaries are not asked together`() throws {
    let scene = try Scene()
    let contenders = try ContenderList(
      of: [scene.source], PolicySweep("exit=entropy(threshold=0.2...0.9/3)").options, nulls: scene.source
    ).contenders
    let found = try Self.both(contenders, scene.workload(contenders))
    #expect(found.together == found.alone)
    #expect(found.passes.contains { $0.hasPrefix("answers of 3 exit policies") })
    // The bag alone and the twelve settings of the bag that leaves the rest to dense.
    #expect(found.passes.contains { $0.hasPrefix("answers of 13 exit policies") }, "\(found.passes)")
    #expect(found.passes.contains { $0.hasPrefix("answers of first 2 of 4") })
  }
}
