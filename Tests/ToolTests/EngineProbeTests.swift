// What the engine does with the whole process, seen from a process that holds nothing else.

import Testing

@Suite struct EngineProbeTests {
  @Test func `A request allocates nothing once the first ones have passed`() throws {
    for model in [try Models.dense.get(), try Models.pyramid.get(), try Models.entry.get()] {
      let result = try Tool.probe(model, "allocations")
      #expect(result.code == 0 && result.lines.count == 6, "\(result.notes)")
      for line in result.lines { #expect(line.hasSuffix(": 0 allocations")) }
    }
  }

  /// Votes in memory, words kept by the engine, rows compared, earlier heads read.
  @Test(arguments: ["expert-vote(weights=1)", "token-hash", "saturation(threshold=0.97)", "patience-divergence"])
  func `A policy that remembers, or reads what the engine keeps, allocates nothing either`(exit: String) throws {
    let scratch = try Scratch()
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(Models.checkpoint, "-o", model, "--exit", exit, "--skip-check")
    #expect(compiled.code == 0, "\(compiled.notes)")
    let result = try Tool.probe(model, "allocations")
    #expect(result.code == 0 && result.lines.count == 6, "\(result.notes)")
    for line in result.lines { #expect(line.hasSuffix(": 0 allocations")) }
  }

  @Test func `Allocations that do happen are counted`() throws {
    let result = try Tool.probe(Models.pyramid.get(), "careless")
    #expect(result.code == 0 && result.lines.count == 6, "\(result.notes)")
    for line in result.lines { #expect(!line.hasSuffix(": 0 allocations") && line.hasSuffix(" allocations")) }
  }

  @Test(arguments: [[:], ["OMP_NUM_THREADS": "1x"], ["OMP_NUM_THREADS": "3", "KMP_BLOCKTIME": "7"]])
  func `An engine leaves the environment of its process as it was`(environment: [String: String]) throws {
    let result = try Tool.probe(Models.dense.get(), "environment", environment: environment)
    #expect(result.lines == ["loaded: the same", "used: the same"], "\(result.notes)")
  }

  /// A process that forks while the team is still made hands its child libomp's locks as held, and the child hangs. Of the
  /// team of four the inference thread is one.
  @Test func `A model is open once its team is made`() throws {
    let result = try Tool.probe(Models.dense.get(), "opened")
    let count = try #require(Int(result.lines.first ?? ""), "\(result.notes)")
    #expect(count >= 1 + 4)
  }

  /// CPU time, not time: other work on the machine does not count. Workers that spin for a while after each request, as those of
  /// OpenMP do unless they are told otherwise, take five times the limit.
  @Test func `An engine that is asked nothing takes no CPU time`() throws {
    let line = try #require(try Tool.probe(Models.dense.get(), "idle").lines.first)
    let milliseconds = try #require(Int(line.split(separator: " ").dropLast().last ?? ""), "\(line)")
    #expect(line.hasPrefix("at rest after ") && milliseconds < 20)
  }
}
