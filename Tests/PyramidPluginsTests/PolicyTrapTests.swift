// Traps end a process, so each test runs in a process of its own (an exit test) that loads a plugin and lets it fail.

import Glibc
import PyramidPlugins
import PyramidPolicy
import Testing

extension PluginTests {
  @Suite(.serialized) struct Traps {
    @Test("a trap inside a plugin names the policy, its file, the signal and the function, and exits with 1")
    func trapInPlugin() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
        try trap(named: "careless", by: "if head.layer == 1 { _ = head.probabilities[head.classes] }")
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains("policy @careless of plugin "))
      #expect(text.contains("careless.swift trapped (SIGILL) in shouldExit\n"))
    }

    @Test("a plugin that recurses without end is reported as well")
    func stackOverflow() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
        try trap(
          named: "endless",
          by:
            """
            func deeper(_ n: Int) -> Int { n > 1 << 60 ? 0 : 1 + deeper(n + head.layer) }
            if deeper(1) == 0 { return true }
            """
        )
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains("policy @endless of plugin "))
      #expect(text.contains("trapped (SIGSEGV) in shouldExit\n"))
    }

    @Test("without the handlers a trap inside a plugin ends the process as any other, since loading installs none")
    func trapWithoutHandlers() async throws {
      try #require(!PluginWorkshop.folder.isEmpty)
      let result = await #expect(processExitsWith: .signal(SIGILL), observing: [\.standardErrorContent]) {
        let line = "if head.layer == 1 { _ = head.probabilities[head.classes] }"
        try trap(named: "careless", by: line, isReported: false)
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(!text.contains("trapped"))
    }

    @Test("a trap outside a policy ends the process as it did before")
    func trapElsewhere() async {
      let result = await #expect(processExitsWith: .signal(SIGILL), observing: [\.standardErrorContent]) {
        PolicyTrapReporter.install()
        fatalError("elsewhere")
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(!text.contains("trapped"))
    }

    @Test("a signal sent by a process still ends the process")
    func sentSignal() async {
      await #expect(processExitsWith: .signal(SIGSEGV)) {
        PolicyTrapReporter.install()
        raise(SIGSEGV)
        exit(0)
      }
    }
  }
}

/// Loads a policy with a line of code that traps, and asks it under the handlers that a tool installs.
private func trap(named name: String, by line: String, isReported: Bool = true) throws {
  if isReported { PolicyTrapReporter.install() }
  let path = try PluginWorkshop.write("\(name).swift", PluginWorkshop.margin(named: name, extra: line))
  let instance = try PluginLoader.load(path: path)[0].make(
    PolicySpec(name), model: ModelFacts(layers: 2, classes: 2))
  _ = answers(of: instance, heads: [[0.5, 0.5]])
}
