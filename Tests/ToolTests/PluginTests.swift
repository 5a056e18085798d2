// A user's policy, in a folder of its own, through the tools: compile with it, run with it, turn its knob, and what goes wrong.

import Foundation
import Testing

@Suite(.serialized) struct PluginTests {
  /// One cache for all tests, which run one after the other: the SDK takes ten seconds to compile, a plugin one.
  static let cache = Result { try Scratch() }

  static let lead = """
    import PyramidPolicy

    struct Lead: ExitPolicy {
      static let name = "lead"
      static let parameters: [PolicyParameter] = [
        .number("threshold", default: 0.9, in: 0...1, help: "exit when the lead in probability is larger")
      ]
      let reads: Set<ExitSignal> = [.probabilities]
      let threshold: Float

      init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }

      func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
        var (best, second): (Float, Float) = (0, 0)
        let probabilities = head.probabilities
        for index in probabilities.indices {
          if probabilities[index] > best { (best, second) = (probabilities[index], best) }
          else { second = max(second, probabilities[index]) }
        }
        return best - second > threshold
      }
    }
    """

  private func environment() throws -> [String: String] {
    ["XDG_CACHE_HOME": try Self.cache.get().path("cache"), "SWIFT_BACKTRACE": "enable=no"]
  }

  @Test func `A policy outside the repository is compiled in, run, and tuned`() throws {
    let scratch = try Scratch()
    let plugin = try scratch.write("lead.swift", Self.lead)
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", plugin, "--exit", "lead(threshold=0.8)",
      environment: environment())
    #expect(compiled.code == 0 && compiled.notes.contains("exit: lead(threshold=0.8)"), "\(compiled.notes)")
    func exitLayer(_ threshold: String) throws -> Int {
      let result = try Tool.run(
        model, "--plugin", plugin, "--exit", "lead(threshold=\(threshold))", "--format", "csv", RunTests.river,
        environment: environment())
      return try #require(Int(result.lines[1].split(separator: ",")[3]), "\(result.notes)")
    }
    let (early, late) = (try exitLayer("0"), try exitLayer("1"))
    #expect(early == 0 && late == 6)
    let without = try Tool.run(model, RunTests.river)
    #expect(without.code == 1 && without.notes.contains("lead") && without.notes.contains("entropy"))
  }

  @Test(arguments: [
    ("not-swift.txt", "hello", "not-swift.txt"), ("empty.swift", "import PyramidPolicy\n", "policies"),
    (
      "broken.swift", "import PyramidPolicy\nlet x: Int = \"\"\npublic let policies: [any Policy.Type] = []\n",
      "broken.swift"
    ),
  ])
  func `A file that is not a plugin is refused and named`(name: String, source: String, words: String) throws {
    let scratch = try Scratch()
    let plugin = try scratch.write(name, source)
    let result = try Tool.compile(
      Models.checkpoint, "--emit", "ir", "--plugin", plugin, environment: environment())
    #expect(result.code == 1 && result.output.isEmpty)
    #expect(result.notes.contains(words) && result.notes.contains(name), "\(result.notes)")
  }

  @Test func `A trap in a plugin ends the run with a message that names plugin and policy`() throws {
    let scratch = try Scratch()
    let source =
      Self.lead.replacingOccurrences(
        of: "return best - second > threshold", with: "return [Float]()[head.layer] > best")
      + "\npublic let policies: [any Policy.Type] = [Lead.self]\n"
    let plugin = try scratch.write("trap.swift", source)
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", plugin, "--exit", "lead", "--skip-check",
      environment: environment())
    #expect(compiled.code == 0, "\(compiled.notes)")
    let result = try Tool.run(model, "--plugin", plugin, RunTests.river, environment: environment())
    #expect(result.code == 1)
    #expect(result.notes.contains("@lead") && result.notes.contains("trap.swift"), "\(result.notes)")
  }

  @Test func `A plugin that prints, exits, or is not given spoils no answers`() throws {
    let scratch = try Scratch()
    func source(_ statement: String) -> String {
      "import Glibc\n"
        + Self.lead.replacingOccurrences(of: "var (best, second)", with: "\(statement)\n    var (best, second)")
        + "\npublic let policies: [any Policy.Type] = [Lead.self]\n"
    }
    let talking = try scratch.write("talking.swift", source(#"print("I am a plugin")"#))
    let ending = try scratch.write("ending.swift", source("exit(0)"))
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", talking, "--exit", "lead", "--skip-check", environment: environment())
    #expect(compiled.code == 0, "\(compiled.notes)")
    let said = try Tool.run(model, "--plugin", talking, "--format", "jsonl", RunTests.river, environment: environment())
    #expect(said.code == 0 && said.lines.count == 1 && said.output.hasPrefix("{"), "\(said.output)")
    #expect(said.notes.contains("I am a plugin"))
    let ended = try Tool.run(model, "--plugin", ending, RunTests.river, environment: environment())
    #expect(ended.code == 1 && ended.notes.contains("@lead") && ended.notes.contains("ended the program in shouldExit"))
    let missing = try Tool.run(model, RunTests.river, environment: environment())
    #expect(missing.code == 1 && missing.notes.contains("--plugin FILE"), "\(missing.notes)")
  }
}
