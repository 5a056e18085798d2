// The comparison from contenders to report: who is in it, what an interruption leaves, what a disturbance does.

import Glibc
import PyramidFormats
import PyramidTestSupport
import Testing

@testable import PyramidPolicyTesting

@Suite struct MeasurementTests {
  private static func list(_ scene: Scene, _ policies: [String], nulls: Bool = true, seeds: Int = 1) throws
    -> ContenderList
  {
    try ContenderList(
      of: [scene.source], policies.flatMap { try PolicySweep($0).options }, seeds: seeds,
      nulls: nulls ? scene.source : nil)
  }

  @Test func `Null models stand in every table, one setting of the bag at the first policy's loss`() throws {
    let scene = try Scene()
    let list = try Self.list(scene, ["mine: exit=entropy(threshold=0.6)"])
    var options = MeasurementOptions()
    options.isTimed = false
    let measurement = try Measurement(list.contenders, scene.workload(list.contenders), options)
    let report = try ComparisonReport(measurement, source: scene.source, command: "test", threads: 1)
    let nulls = report.policies.filter { $0.role == .null }.map(\.name)
    #expect(nulls.count == 5 && nulls[0] == "bag of words" && nulls[1].hasPrefix("bag, then dense ("))
    #expect(nulls.suffix(3) == ["first 1 of 4 layers", "first 2 of 4 layers", "first 3 of 4 layers"])
    #expect(report.candidates.count == 11)
    let mine = report.policies[0].answers.quality.value
    let matched = report.policies.filter { $0.role == .null }[1].answers
    let all = (report.candidates + report.policies.filter { $0.name == nulls[1] }).map(\.answers)
    if all.contains(where: { $0.quality.value >= mine }) {
      #expect(matched.quality.value >= mine)
      #expect(!all.contains { $0.quality.value >= mine && $0.gflop < matched.gflop })
    }
    #expect(report.dense.timing == nil && report.policies[0].comparison?.timePerOperationSaved == nil)
    // The bag leaves at the entry and costs next to nothing; the first layer alone is less than dense.
    #expect(report.policies.filter { $0.role == .null }[0].answers.exitHistogram == [40, 0, 0, 0, 0])
    guard case .array(let models)? = report.json["null_models"] else { throw ComparisonError("no null models") }
    #expect(models.count == nulls.count && report.html.contains("bag of words"))
  }

  @Test func `A checkpoint without an entry has no bag, and one that is told so no null models`() throws {
    let scene = try Scene(entry: false)
    #expect(try Self.list(scene, ["exit=entropy"]).contenders.filter { $0.role == .null }.count == 3)
    #expect(try Self.list(scene, ["exit=entropy"], nulls: false).contenders.map(\.name) == ["dense", "entropy"])
  }

  @Test func `Policies that differ in parameters share one compiled model`() throws {
    let contenders = try Self.list(Scene(), ["exit=entropy(threshold=0.1...0.9/3)", "exit=patience"]).contenders
    #expect(contenders[1].classifier.model === contenders[3].classifier.model)
    #expect(contenders[1].classifier.model !== contenders[4].classifier.model)
    #expect(contenders[1].classifier.policies.exit?.spec.description == "entropy(threshold=0.1)")
    #expect(contenders[3].classifier.policies.exit?.spec.description == "entropy(threshold=0.9)")
  }

  @Test func `What draws at random runs under several seeds, unless one is named`() throws {
    let scene = try Scene()
    let policies = [
      "r: prune=random-prune(fraction=0.5)", "one: prune=random-prune(seed=4)", "bare: prune=random-prune",
    ]
    let list = try Self.list(scene, policies, nulls: false, seeds: 2)
    #expect(list.contenders.map(\.name) == ["dense", "r, seed 1", "r, seed 2", "one", "bare, seed 1", "bare, seed 2"])
    #expect(list.contenders[2].classifier.policies.prune?.spec["seed"] == .number(2))
    #expect(list.notes.count == 2)
  }

  @Test func `Precisions stand side by side, and the first one's dense is what all are compared with`() throws {
    let scene = try Scene()
    let small = try ModelSource(path: scene.checkpoint, precision: .bf16, registry: CompiledCheckpoint.registry.get())
    let list = try ContenderList(of: [scene.source, small], [PolicyOption(name: "e", exit: "entropy")], nulls: nil)
    #expect(list.contenders.map(\.name) == ["dense", "e, f32", "dense, bf16", "e, bf16"])
    #expect(list.contenders.map(\.role) == [.dense, .policy, .policy, .policy])
  }

  @Test func `Two contenders of one name are refused, and a baseline that is none`() throws {
    let scene = try Scene()
    #expect(throws: ComparisonError.self) { try Self.list(scene, ["bag of words: exit=entropy"]) }
    var options = MeasurementOptions()
    options.isTimed = false
    let contenders = try scene.contenders(["exit=entropy"])
    let measurement = try Measurement(contenders, scene.workload(contenders), options)
    #expect(throws: ComparisonError.self) {
      try ComparisonReport(measurement, source: scene.source, command: "", threads: 1, baseline: "nobody")
    }
  }

  @Test(arguments: [false, true]) func `A pipe where the measurement is kept is not waited for`(resumes: Bool) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("report.partial")
    try #require(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: ComparisonError.self) {
      try MeasurementLog(path: path, identity: "", resumes: resumes)
    }
    #expect(error?.description == "\(path): is not a regular file")
    #expect(FileKind(at: path) == .other)
  }

  @Test func `An interrupted measurement goes on where it stopped, with what was measured`() throws {
    let scene = try Scene()
    let list = try Self.list(scene, ["exit=entropy(threshold=0.5...0.9/2)"], nulls: false)
    let workload = try scene.workload(list.contenders)
    var options = MeasurementOptions()
    (options.repetitions, options.activity) = (2, { nil })
    let path = scene.folder.path("report.partial")
    func measure(resumes: Bool) throws -> Measurement {
      options.log = try MeasurementLog(path: path, identity: list.identity(workload, options), resumes: resumes)
      return try Measurement(list.contenders, workload, options)
    }
    let first = try measure(resumes: false)
    let kept = try lines(path)
    // The answers and some turns, the last line broken off.
    let shortened = kept.prefix(kept.count - 4).joined(separator: "\n") + "\n" + kept[kept.count - 3].prefix(20)
    try OutputFile.write(shortened, to: path)
    let second = try measure(resumes: true)
    #expect(second.measured.map(\.outcomes) == first.measured.map(\.outcomes))
    // All turns but the four that were taken out are the same numbers.
    #expect(second.measured[0].singles[0] == first.measured[0].singles[0])
    #expect(second.measured[1].singles.map(\.count) == first.measured[1].singles.map(\.count))
    #expect(second.measured[2].batches[0] == first.measured[2].batches[0])
    #expect(try lines(path).count >= kept.count)
    var other = options
    other.repetitions = 3
    let identity = try list.identity(workload, other)
    #expect(throws: ComparisonError.self) { try MeasurementLog(path: path, identity: identity, resumes: true) }
    #expect(throws: ComparisonError.self) {
      try MeasurementLog(path: scene.folder.path("none"), identity: identity, resumes: true)
    }
    let before = try lines(path)
    #expect(throws: ComparisonError.self) { try MeasurementLog(path: path, identity: identity, resumes: false) }
    #expect(try lines(path) == before)
    // What no text takes, of which sums would not fit.
    for answer in ["[0,1,9223372036854775807,1,[1],[]]", "[0,1,1,9223372036854775807,[1],[]]"] {
      let forged = "{\"contender\":0,\"first\":0,\"outcomes\":[\(answer)]}"
      try OutputFile.write("\(kept[0])\n\(forged)\n", to: path)
      let error = #expect(throws: FormatError.self) { try measure(resumes: true) }
      #expect(error?.problem.hasPrefix("expected at most 144115188075855872") == true)
    }
  }

  private func lines(_ path: String) throws -> [String] {
    let reader = try LineReader(path: path)
    var lines: [String] = []
    while let line = try reader.next() {
      if case .bytes(let bytes) = line { lines.append(String(decoding: bytes, as: UTF8.self)) }
    }
    return lines
  }

  @Test func `A disturbed turn is taken again, and one that stays disturbed is counted`() throws {
    let scene = try Scene(texts: 20)
    let contenders = try scene.contenders(["exit=entropy"])
    let workload = try scene.workload(contenders)
    // The first turn is disturbed once, all others are quiet: each reading is a second after the last.
    var (readings, busy) = (0, 0.0)
    var options = MeasurementOptions()
    (options.repetitions, options.threads) = (1, 2)
    options.activity = {
      readings += 1
      if readings == 2 { busy += 1.5 }
      return MachineActivity(cpus: 2, busy: busy, stolen: 0, own: 0, throttled: 0, clock: Double(readings))
    }
    let once = try Measurement(contenders, workload, options)
    #expect(once.disturbances.turns == 3 && once.disturbances.disturbed == 1 && once.disturbances.remaining == 0)
    #expect(once.disturbances.kinds == [.load] && once.disturbances.note?.contains("taken again undisturbed") == true)
    #expect(once.measured[0].latencies.count == 20)
    options.activity = {
      readings += 1
      return MachineActivity(
        cpus: 2, busy: 0, stolen: Double(readings) * 0.5, own: 0, throttled: readings, clock: Double(readings))
    }
    let always = try Measurement(contenders, workload, options)
    #expect(always.disturbances.remaining == 3 && always.disturbances.kinds == [.steal, .throttling])
    #expect(always.disturbances.note?.contains("don't trust") == true)
    #expect(always.measured[1].batches[0].count == once.measured[1].batches[0].count)
  }
}

@Suite struct MachineActivityTests {
  private func activity(busy: Double, stolen: Double = 0, own: Double = 0, clock: Double = 1) -> MachineActivity {
    MachineActivity(cpus: 4, busy: busy, stolen: stolen, own: own, throttled: 0, clock: clock)
  }

  @Test func `Load on CPUs that are left free is no disturbance, on the others it is`() {
    let start = activity(busy: 0, clock: 0)
    #expect(activity(busy: 4, own: 2).disturbances(since: start, threads: 2) == [])
    #expect(activity(busy: 4, own: 1).disturbances(since: start, threads: 2).map(\.kind) == [.load])
    #expect(activity(busy: 4, own: 4).disturbances(since: start, threads: 4) == [])
    #expect(activity(busy: 4, stolen: 0.5, own: 4).disturbances(since: start, threads: 4).map(\.kind) == [.steal])
    #expect(activity(busy: 4, clock: 0.05).disturbances(since: start, threads: 4) == [])
  }

  @Test func `This machine's counters are there, and rise`() throws {
    let (before, after) = (try #require(MachineActivity.now()), try #require(MachineActivity.now()))
    #expect(before.cpus >= 1 && before.busy > 0 && before.own > 0 && before.clock > 0)
    #expect(after.busy >= before.busy && after.own >= before.own && after.clock >= before.clock)
  }

  @Test func `The kernel's text is read as it is documented`() throws {
    let text = "cpu  100 0 50 1000 5 3 2 40 7 0\ncpu0 50 0 25 500 2 1 1 20 0 0\ncpu1 50 0 25 500 3 2 1 20 7 0\nintr 1\n"
    let activity = try #require(MachineActivity(stat: text))
    #expect(activity.cpus == 2 && activity.busy == 1.55 && activity.stolen == 0.4)
    #expect(MachineActivity(stat: "nothing") == nil && MachineActivity(stat: "cpu 1 2") == nil)
    #expect(MachineActivity.number(after: "nr_throttled", in: "nr_periods 3\nnr_throttled 17\n") == 17)
  }
}

@Suite struct PolicySweepTests {
  @Test func `A range stands for its values, in equal ratios where its ends are far apart`() throws {
    let sweep = try PolicySweep("exit=entropy(threshold=0.01...0.8/5)")
    #expect(
      sweep.options.compactMap(\.exit)
        == ["0.01", "0.02991", "0.08944", "0.2675", "0.8"].map { "entropy(threshold=\($0))" })
    #expect(sweep.options[1].name == "entropy(threshold=0.02991)" && sweep.options[1].prune == nil)
    #expect(sweep.notes.count == 1 && sweep.notes[0].hasSuffix("threshold: 5 values from 0.01 to 0.8 in equal ratios"))
    let linear = try PolicySweep("m: exit=max-probability(threshold=0.5...0.9/5)")
    #expect(linear.options.map(\.name) == ["0.5", "0.6", "0.7", "0.8", "0.9"].map { "m threshold=\($0)" })
    #expect(linear.notes == ["m: threshold: 5 values from 0.5 to 0.9 in equal steps"])
    // The widest ranges there are.
    let wide = try ["1e-100...1e100/400", "-1e100...1e100/400", "0...1e-100/400"].flatMap {
      try PolicySweep("exit=e(t=\($0))").options
    }
    #expect(wide.count == 1200 && wide.allSatisfy { $0.exit?.contains("nan") == false && $0.exit != "e(t=inf)" })
  }

  @Test func `Two ranges are a grid, whole numbers need no count, and lists are left alone`() throws {
    let grid = try PolicySweep(
      "g: exit=patience-confidence(threshold=0.1...0.2/2, patience=1...3) prune=top-k(fraction=0.5)")
    #expect(
      grid.options.map(\.name) == ["0.1", "0.2"].flatMap { t in (1...3).map { "g threshold=\(t), patience=\($0)" } })
    #expect(grid.options[5].exit == "patience-confidence(threshold=0.2, patience=3)")
    #expect(grid.options.allSatisfy { $0.prune == "top-k(fraction=0.5)" })
    let both = try PolicySweep("exit=a(x=1...2) prune=b(y=3...4)")
    #expect(both.options.compactMap(\.prune) == ["b(y=3)", "b(y=4)", "b(y=3)", "b(y=4)"])
    #expect(try PolicySweep("exit=e(weights=[1, 2])").options.map(\.exit) == ["e(weights=[1, 2])"])
  }

  @Test(arguments: [
    ("exit=e(t=0.1...0.8)", "how many values"), ("exit=e(t=0.8...0.1/4)", "expected LOW...HIGH/COUNT"),
    ("exit=e(t=0...1/1)", "2 to 400 values"), ("exit=e(t=a...b/3)", "expected LOW...HIGH/COUNT"),
    ("exit=e(t=0...1/30, s=0...1/30)", "more than 400"), ("exit=e(t=0...1/3/3)", "expected LOW...HIGH/COUNT"),
    ("exit=e(t=1e-300...1e300/5)", "1e-100 to 1e100"), ("exit=e(t=-1.7e308...1.7e308/5)", "1e-100 to 1e100"),
    ("exit=e(t=5e-324...1/3)", "1e-100 to 1e100"), ("exit=e(t=0...1e-320/200)", "1e-100 to 1e100"),
  ])
  func `A range that can't be read is an error that shows one`(text: String, problem: String) {
    let error = #expect(throws: ComparisonError.self) { try PolicySweep(text) }
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
  }
}
