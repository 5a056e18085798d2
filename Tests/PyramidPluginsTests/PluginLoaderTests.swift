// Plugins written to a temporary folder, compiled, cached and used, and each way in which a file can fail to be one.

import BuiltInPolicies
import Glibc
import PyramidPlugins
import PyramidPolicy
import Testing

/// Everything that compiles runs in here, one test at a time.
@Suite(.serialized) struct PluginTests {}

extension PluginTests {
  @Suite(.serialized) struct Loading {
    let model = ModelFacts(layers: 6, classes: 3, hidden: 3)
    /// Weights of the policies that have some.
    let learned: [String: LearnedTensor] = skimming.merging([
      "policies.learned-exit.weight": LearnedTensor(shape: [1, 3], values: [-2, 1, 0.5]),
      "policies.learned-exit.bias": [-0.5],
      "policies.prototype.centroids": LearnedTensor(
        shape: [5, 3, 3], values: (0..<45).map { Float($0 * 7 % 11) - 5 }),
    ]) { first, _ in first }
    /// A predictor of width 2 for each boundary.
    static let skimming = (0..<5).reduce(into: [String: LearnedTensor]()) { learned, boundary in
      let shapes = [("norm1", [3], 3), ("linear1", [2, 3], 2), ("norm2", [2], 2), ("linear2", [2, 2], 2)]
      for (part, shape, biases) in shapes {
        let path = "policies.learned-skim.\(boundary).\(part)"
        let count = shape.reduce(1, *)
        let values = (0..<count).map { Float(($0 + boundary) * 5 % 7) - 2 }
        learned[path + ".weight"] = LearnedTensor(shape: shape, values: values)
        learned[path + ".bias"] = LearnedTensor(Array(values.prefix(biases)))
      }
    }
    let heads: [[Float]] = [
      [0.4, 0.3, 0.3], [0.7, 0.2, 0.1], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01], [.nan, 1, 0],
    ]

    @Test("a policy written outside the repository is compiled, named after its file, and decides")
    func compiles() throws {
      let path = try PluginWorkshop.write("margin.swift", PluginWorkshop.margin(list: ""))
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

    @Test("the type that has the file's name is found in any case, with hyphens and underscores, and a list wins")
    func typeByFileName() throws {
      let source = """
        import PyramidPolicy
        // Neither a list: let policies, nor a type: class keepalways
        struct KeepAlways: PruningPolicy {
          static let name = "always"
          let reads: Set<TokenSignal> = []
          init(_ arguments: PolicyArguments) {}
          func retention(afterLayer layer: Int) -> Retention { .all }
          func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {}
        }
        enum Elsewhere { struct Margin {} }
        """
      for name in ["KeepAlways.swift", "keep-always.swift", "keep_ALWAYS.swift"] {
        #expect(try PluginLoader.load(path: PluginWorkshop.write(name, source)).map(\.name) == ["always"])
      }
      let listed = PluginWorkshop.margin(named: "listed") + source.dropFirst("import PyramidPolicy".count)
      #expect(try PluginLoader.load(path: PluginWorkshop.write("keepalways.swift", listed)).map(\.name) == ["listed"])
    }

    /// Arguments that are worth a comparison; the others take their defaults.
    static let specs = [
      "entropy": "entropy(threshold=0.3)", "patience": "patience(patience=1)", "fixed-layer": "fixed-layer(layer=2)",
      "received-attention": "received-attention(thresholds=[1, 2, 3, 4, 5], scale=0.5)",
      "top-k": "top-k(keep=[9, 7, 5, 3, 1])", "cls-attention": "cls-attention(thresholds=[0.5, 1, 1.5, 2, 2.5])",
      "random-prune": "random-prune(fraction=0.3, seed=7)",
      "column-sum": "column-sum(schedule=[9, 7, 5, 3, 1])", "cascade": "cascade(start=2, final=0.25)",
      "inverse-cdf": "inverse-cdf(tokens=7)", "core-set": "core-set(fraction=0.3)", "stride": "stride(step=3)",
      "contribution": "contribution(thresholds=[0.1, 0.2, 0.5, 1, 2])", "merge": "merge(rate=4)",
      "first-k": "first-k(tokens=[9, 8, 7, 6, 5])",
      "salience": "salience(salience=[3, 1, 2], threshold=1.5, attention=[1, 2, 3, 4, 5])",
      "expert-vote": "expert-vote(threshold=0.6, weights=[0.2, 0.9, 0.3, 0.4, 0.5])", "vote": "vote(votes=3)",
      "max-probability": "max-probability(temperature=[1, 0.1, 0.5, 2, 1])", "margin": "margin(threshold=0.4)",
      "patience-confidence": "patience-confidence(threshold=0.5)", "saturation": "saturation(threshold=-0.5)",
      "patience-divergence": "patience-divergence(threshold=0.1)", "raw-entropy": "raw-entropy(threshold=0.5)",
      "learned-exit": "learned-exit(threshold=0.2)", "prototype": "prototype(threshold=0.1)",
      "window-trend": "window-trend(threshold=0.95, window=2)", "token-hash": "token-hash(buckets=4)",
      "value-change": "value-change(threshold=0.2)", "ranking": "ranking(k=2, slack=0.1)",
    ]

    @Test("the file of each built-in policy, unchanged, gives the same answers as a plugin", arguments: builtInFiles)
    func sameAnswers(file: String) throws {
      let types = try PluginLoader.load(path: file)
      let original = try BuiltInPolicies.all.map { try PolicyType($0, origin: PolicyType.builtIn) }.first {
        $0.name == types[0].name
      }
      let builtIn = try #require(original)
      #expect(types.count == 1 && types[0].kind == builtIn.kind && types[0].parameters == builtIn.parameters)
      #expect(throws: PolicyError.duplicatePolicy(name: builtIn.name, origins: ["built in", file])) {
        try PolicyRegistry([builtIn] + types)
      }

      let spec = try PolicySpec(Self.specs[builtIn.name] ?? builtIn.name)
      #expect(types[0].tensors == builtIn.tensors)
      let number = ModelFacts(layers: 6, classes: 1, hidden: 3, answers: .value)
      let model = builtIn.requires.contains(.probabilities) ? self.model : number
      #expect(types[0].requires == builtIn.requires)
      let plugin = try types[0].make(spec, model: model, learned: learned)
      let expected = try builtIn.make(spec, model: model, learned: learned)
      #expect(plugin.spec == expected.spec && plugin.moment == expected.moment)
      #expect(plugin.remainder == expected.remainder)
      #expect(plugin.exitSignals == expected.exitSignals && plugin.tokenSignals == expected.tokenSignals)
      #expect((0...6).map { plugin.isActive(afterLayer: $0) } == (0...6).map { expected.isActive(afterLayer: $0) })
      if builtIn.kind == .exit {
        #expect(answers(of: plugin, heads: heads) == answers(of: expected, heads: heads))
        return
      }
      for layer in 1..<6 {
        #expect(scores(of: plugin, count: 50, layer: layer) == scores(of: expected, count: 50, layer: layer))
        #expect(targets(of: plugin, count: 50, layer: layer) == targets(of: expected, count: 50, layer: layer))
        #expect(plugin.retention(afterLayer: layer) == expected.retention(afterLayer: layer))
      }
    }

    @Test("each built-in policy has a file")
    func everyBuiltInHasAFile() {
      #expect(Self.builtInFiles.count == BuiltInPolicies.all.count)
    }

    @Test("an error that a plugin's initialiser throws arrives with its text")
    func initialiserErrors() throws {
      let file = try #require(
        Self.builtInFiles.first { $0.utf8.reversed().starts(with: "/FixedLayer.swift".utf8.reversed()) })
      let type = try PluginLoader.load(path: file)[0]
      #expect(
        throws: PolicyError.rejected(
          "policy 'fixed-layer': layer=9: the model has 6 layers, so give a layer before the last")
      ) {
        try type.make(PolicySpec("fixed-layer(layer=9)"), model: model)
      }
    }

    /// The source files in the folders of Policies.
    static let builtInFiles: [String] = {
      let policies = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Policies"
      return PluginWorkshop.names(in: policies).sorted().flatMap { folder in
        PluginWorkshop.names(in: "\(policies)/\(folder)").map { "\(policies)/\(folder)/\($0)" }
      }.filter { $0.utf8.reversed().starts(with: ".swift".utf8.reversed()) }
    }()
  }
}
