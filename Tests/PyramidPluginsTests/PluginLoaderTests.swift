// Plugins written to a temporary folder, compiled, cached and used, and each way in which a file can fail to be one.

import EntropyPolicy
import FixedLayerPolicy
import Glibc
import KeepAllPolicy
import NeverExitPolicy
import PatiencePolicy
import PyramidPlugins
import PyramidPolicy
import RandomPrunePolicy
import ReceivedAttentionPolicy
import Testing
import TopKPolicy

/// Everything that compiles runs in here, one test at a time.
@Suite(.serialized) struct PluginTests {}

extension PluginTests {
  @Suite(.serialized) struct Loading {
    let model = ModelFacts(layers: 6, classes: 3)
    let heads: [[Float]] = [
      [0.4, 0.3, 0.3], [0.7, 0.2, 0.1], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01], [.nan, 1, 0],
    ]

    @Test("a policy written outside the repository is compiled, named after its file, and decides")
    func compiles() throws {
      let path = try PluginWorkshop.write("margin.swift", PluginWorkshop.margin())
      let types = try PluginLoader.load(path: path)
      #expect(types.map(\.name) == ["margin"] && types[0].kind == .exit && types[0].origin == path)
      #expect(types[0].parameters.map(\.help) == ["exit when the lead in probability is larger"])
      let instance = try types[0].make(PolicySpec("margin(threshold=0.4)"), model: model)
      #expect(answers(of: instance, heads: heads) == [false, true, true, true, true])
      #expect(instance.spec.description == "margin(threshold=0.4)")
      #expect(throws: PolicyError.self) { try types[0].make(PolicySpec("margin(threshold=2)"), model: model) }
    }

    @Test("the second load takes the cached library, and a damaged cache entry is built again")
    func caches() throws {
      let path = try PluginWorkshop.write("cached.swift", PluginWorkshop.margin(named: "cached"))
      let before = Set(PluginWorkshop.names(in: PluginWorkshop.cache))
      _ = try PluginLoader.load(path: path)
      let made = Set(PluginWorkshop.names(in: PluginWorkshop.cache)).subtracting(before)
      let entry = try #require(made.first { $0.utf8.starts(with: "plugin-".utf8) })
      let library = "\(PluginWorkshop.cache)/\(entry)/plugin.so"
      func identity() -> ino_t {
        var status = stat()
        return stat(library, &status) == 0 ? status.st_ino : 0
      }
      let first = identity()
      #expect(try PluginLoader.load(path: path).map(\.name) == ["cached"])
      #expect(identity() == first)

      unlink(library)
      let damaged = try #require(fopen(library, "w"))
      fputs("\u{7F}ELF damaged", damaged)
      fclose(damaged)
      let broken = identity()
      #expect(try PluginLoader.load(path: path).map(\.name) == ["cached"])
      #expect(identity() != broken)
      #expect(PluginWorkshop.names(in: PluginWorkshop.cache).allSatisfy { $0.utf8.first != UInt8(ascii: ".") })
    }

    @Test("two loads of one new file at the same time both succeed")
    func concurrentLoads() async throws {
      let path = try PluginWorkshop.write("racing.swift", PluginWorkshop.margin(named: "racing"))
      async let first = Task.detached { try PluginLoader.load(path: path).map(\.name) }.value
      async let second = Task.detached { try PluginLoader.load(path: path).map(\.name) }.value
      #expect(try await [first, second] == [["racing"], ["racing"]])
    }

    @Test(
      "the file of a built-in exit policy gives the same answers as a plugin",
      arguments: [
        ("entropy/Entropy.swift", "entropy(threshold=0.3)", EntropyPolicy.policies),
        ("patience/Patience.swift", "patience(patience=1)", PatiencePolicy.policies),
        ("fixed-layer/FixedLayer.swift", "fixed-layer(layer=2)", FixedLayerPolicy.policies),
        ("never-exit/NeverExit.swift", "never-exit", NeverExitPolicy.policies),
      ] as [(String, String, [any Policy.Type])])
    func sameExitAnswers(file: String, spec: String, builtIn: [any Policy.Type]) throws {
      let plugin = try PluginLoader.load(path: policyFile(file))[0].make(PolicySpec(spec), model: model)
      let original = try PolicyType(builtIn[0]).make(PolicySpec(spec), model: model)
      #expect(answers(of: plugin, heads: heads) == answers(of: original, heads: heads))
      #expect(plugin.exitSignals == original.exitSignals && plugin.spec == original.spec)
      #expect((1...6).map { plugin.isActive(afterLayer: $0) } == (1...6).map { original.isActive(afterLayer: $0) })
    }

    @Test(
      "the file of a built-in pruning policy gives the same answers as a plugin",
      arguments: [
        (
          "received-attention/ReceivedAttention.swift", "received-attention(thresholds=[1, 2, 3, 4, 5], scale=0.5)",
          ReceivedAttentionPolicy.policies
        ),
        ("top-k/TopK.swift", "top-k(keep=[9, 7, 5, 3, 1])", TopKPolicy.policies),
        ("keep-all/KeepAll.swift", "keep-all", KeepAllPolicy.policies),
        ("random-prune/RandomPrune.swift", "random-prune(fraction=0.3, seed=7)", RandomPrunePolicy.policies),
      ] as [(String, String, [any Policy.Type])])
    func samePruningAnswers(file: String, spec: String, builtIn: [any Policy.Type]) throws {
      let plugin = try PluginLoader.load(path: policyFile(file))[0].make(PolicySpec(spec), model: model)
      let original = try PolicyType(builtIn[0]).make(PolicySpec(spec), model: model)
      for layer in 1...6 {
        #expect(scores(of: plugin, count: 50, layer: layer) == scores(of: original, count: 50, layer: layer))
        #expect(plugin.retention(afterLayer: layer) == original.retention(afterLayer: layer))
      }
      #expect(plugin.tokenSignals == original.tokenSignals && plugin.spec == original.spec)
    }

    @Test("an error that a plugin's initialiser throws arrives with its text")
    func initialiserErrors() throws {
      let type = try PluginLoader.load(path: policyFile("fixed-layer/FixedLayer.swift"))[0]
      #expect(
        throws: PolicyError.rejected(
          "policy 'fixed-layer': layer=9: the model has 6 layers, so give a layer before the last")
      ) {
        try type.make(PolicySpec("fixed-layer(layer=9)"), model: model)
      }
    }

    private func policyFile(_ name: String) throws -> String {
      let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
      return try PluginWorkshop.write(
        String(name.split(separator: "/")[1]), PluginWorkshop.read("/\(here)/Policies/\(name)"))
    }
  }
}
