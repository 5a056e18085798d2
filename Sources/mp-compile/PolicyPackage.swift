// What a new policy's package holds. Two criteria are written here as examples that work: one reads probabilities, one
// reads attention. A test of the project builds and tests a package of each kind from an empty folder.

import MagicPyramid
import PyramidFormats
import PyramidTools

/// The files of a package with one policy.
struct PolicyPackage {
  /// Where the SDK comes from.
  enum Dependency {
    case path(String)
    case url(String, from: String)
  }

  /// One file of it.
  struct File {
    let path: String
    let text: String
  }

  /// The checkout that the tool was built from; nil when it is not there.
  static var checkout: String? {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    return FileKind(at: "\(root)/Package.swift") == .regular ? root : nil
  }

  /// The files.
  let files: [File]

  /// Names that the package's own files use, and one that would make the module PyramidPolicy.
  private static let taken: Set<String> = [
    "Any", "Bool", "Error", "ExitPolicy", "ExitSignal", "ExitView", "Float", "Int", "Main", "ModelFacts", "MutableSpan",
    "Policy", "PolicyArguments", "PolicyCheck", "PolicyComparison", "PolicyParameter", "Protocol", "PruningPolicy",
    "Pyramid", "PyramidFixtures", "Retention", "Self", "Set", "String", "Suite", "Swift", "Tag", "Test", "Testing",
    "TokenSignal", "TokenView", "Trait", "Type", "Void",
  ]

  /// A package; `name` is in kebab-case. Throws when Swift can't have a type of that name.
  init(name: String, kind: PolicyKind, dependency: Dependency) throws {
    let type = name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    guard !Self.taken.contains(type) else {
      throw PolicyPackageError("'\(name)': a type can't be called \(type); choose a longer name")
    }
    let text = Text(name: name, type: type, module: "\(type)Policy", isExit: kind == .exit, dependency: dependency)
    files = [
      File(path: "Package.swift", text: text.manifest), File(path: "README.md", text: text.readMe),
      File(path: "CARD.md", text: text.card),
      File(path: "Sources/\(text.module)/\(type).swift", text: kind == .exit ? text.exitPolicy : text.pruningPolicy),
      File(path: "Tests/\(text.module)Tests/\(type)Tests.swift", text: text.tests),
      File(path: ".gitignore", text: ".build/\nPackage.resolved\n"),
    ]
  }
}

/// Why there is no package.
struct PolicyPackageError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The texts of the files.
private struct Text {
  let name: String
  let type: String
  let module: String
  let isExit: Bool
  let dependency: PolicyPackage.Dependency

  /// The dependency as a manifest has it, and the name that its products are asked from.
  private var declared: (text: String, package: String) {
    switch dependency {
    case .path(let path): return (".package(name: \"magic-pyramid\", path: \(literal(path)))", "magic-pyramid")
    case .url(let url, let version):
      let last = url.split(separator: "/").last.map(String.init) ?? url
      let package = last.hasSuffix(".git") ? String(last.dropLast(4)) : last
      return (".package(url: \(literal(url)), from: \(literal(version)))", package)
    }
  }

  /// Import lines; they are made here so that nobody takes them for this file's own.
  private func imports(_ modules: String...) -> String { modules.map { "import \($0)" }.joined(separator: "\n") }

  private func literal(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { "\"\\".unicodeScalars.contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
  }

  var manifest: String {
    let products = ["PyramidFixtures", "PyramidPolicyTesting"].map {
      "        .product(name: \"\($0)\", package: \(literal(declared.package))),\n"
    }
    return """
      // swift-tools-version:6.2
      \(imports("PackageDescription"))

      let package = Package(
        name: \(literal(name)),
        products: [.library(name: "\(module)", targets: ["\(module)"])],
        dependencies: [
          \(declared.text)
        ],
        targets: [
          .target(name: "\(module)", dependencies: [.product(name: "PyramidPolicy", package: \(literal(declared.package)))]),
          .testTarget(
            name: "\(module)Tests",
            dependencies: [
              "\(module)",
      \(products.joined())      ]),
        ]
      )

      """
  }

  var exitPolicy: String {
    """
    // \(type): leaves when the most probable class is far ahead of the second.

    \(imports("PyramidPolicy"))

    public struct \(type): ExitPolicy {
      public static let name = "\(name)"
      public static let parameters: [PolicyParameter] = [
        .number("threshold", default: 0.9, in: 0...1, help: "exit above this lead in probability; lower is faster")
      ]

      public let reads: Set<ExitSignal> = [.probabilities]
      private let threshold: Float

      public init(_ arguments: PolicyArguments) {
        threshold = arguments.float("threshold")
      }

      public func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
        let probabilities = head.probabilities
        var (first, second): (Float, Float) = (0, 0)
        for index in probabilities.indices {
          let probability = probabilities[index]
          // A broken number must not cost accuracy.
          if probability.isNaN { return false }
          if probability > first { (first, second) = (probability, first) } else { second = max(second, probability) }
        }
        return first - second > threshold
      }
    }

    """
  }

  var pruningPolicy: String {
    """
    // \(type): keeps the tokens that [CLS] attends to.

    \(imports("PyramidPolicy"))

    public struct \(type): PruningPolicy {
      public static let name = "\(name)"
      public static let parameters: [PolicyParameter] = [
        .number("fraction", default: 0.8, in: 0...1, help: "share of the tokens that stays after each layer")
      ]

      public let reads: Set<TokenSignal> = [.attentionFromCLS]
      private let fraction: Float

      public init(_ arguments: PolicyArguments) {
        fraction = arguments.float("fraction")
      }

      public func retention(afterLayer layer: Int) -> Retention { .fraction(fraction) }

      public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
        let attention = sample.attentionFromCLS
        for token in attention.indices { scores[token] = attention[token] }
      }
    }

    """
  }

  /// What a unit test asks without a model.
  private var unitTest: String {
    isExit
      ? """
        let policy = \(type)(try PolicyArguments("\(name)(threshold=0.5)", for: \(type).self, model: model))
        #expect(policy.shouldExit(ExitView(layer: 1, layers: 6, probabilities: [0.8, 0.1, 0.1])) == true)
        #expect(policy.shouldExit(ExitView(layer: 1, layers: 6, probabilities: [0.5, 0.4, 0.1])) == false)
      """
      : """
        let policy = \(type)(try PolicyArguments("\(name)(fraction=0.5)", for: \(type).self, model: model))
        #expect(policy.scores(of: TokenView(layer: 1, layers: 6, attentionFromCLS: [1.5, 0.2, 1.3])) == [1.5, 0.2, 1.3])
        #expect(policy.retention(afterLayer: 1) == .fraction(0.5))
      """
  }

  var tests: String {
    """
    // What \(name) has to be: a policy that keeps its contract, answers as its formula says, and is worth something.

    \(imports("PyramidFixtures", "PyramidPolicy", "PyramidPolicyTesting", "Testing"))

    @testable import \(module)

    @Suite struct \(type)Tests {
      private let model = ModelFacts(layers: 6, classes: 3)

      @Test("It answers as its formula says")
      func formula() throws {
    \(unitTest.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
      }

      @Test("It keeps the contract of a policy")
      func contract() throws { try PolicyCheck.run(\(type).self) }

      @Test("On the embedded model it saves operations at a loss that these texts can bound")
      func worth() throws {
        var options = PolicyComparison.Options()
        options.limit = 200
        let comparison = try PolicyComparison(
          ["mine: \(isExit ? "exit" : "prune")=\(name)", "control: \(isExit ? "exit=fixed-layer(layer=2)" : "prune=random-prune(fraction=0.8)")"],
          types: [\(type).self], model: PyramidFixtures.dbpedia14, texts: PyramidFixtures.dbpedia14Texts, options)
        print(comparison.report.markdown)
        try comparison.expectLoss(of: "mine", atMost: \(isExit ? 5 : 10))
        try comparison.expectFewerOperations(of: "mine", atEqualLoss: \(isExit ? 5 : 10))
        \(isExit ? "try comparison.expectFewerOperations(of: \"mine\", than: \"control\", atEqualLoss: 5)" : "try comparison.expectLoss(of: \"mine\", against: \"control\", atMost: 10)")
      }
    }

    """
  }

  var card: String {
    """
    # \(name) (\(isExit ? "exit" : "prune"))

    - **Source**: paper, equation.
    - **Formula**: \(isExit ? "leave when p1 - p2 > threshold" : "keep the best max(1, ceil(fraction n)) of the n tokens alive by attention from [CLS]").
    - **Signals**: \(isExit ? "`probabilities`" : "`attentionFromCLS`").
    - **Cost**: \(isExit ? "C comparisons per head" : "heads n additions per layer").
    - **Parameters**: \(isExit ? "`threshold`, 0 to 1, default 0.9; lower is faster" : "`fraction`, 0 to 1, default 0.8; lower is faster").
    - **Known failures**: texts and models on which it is wrong.

    """
  }

  var readMe: String {
    """
    # \(name)

    \(isExit ? "An exit" : "A pruning") policy for Magic Pyramid. The criterion is `Sources/\(module)/\(type).swift`, what it has to be is
    `Tests/\(module)Tests/\(type)Tests.swift`, what a reader should know of it is `CARD.md`.

    ```
    swift test
    mp-compile CHECKPOINT -o model.mpc --\(isExit ? "exit" : "prune") \(name) --plugin Sources/\(module)/\(type).swift
    mp-compare CHECKPOINT --data TEST.tsv --plugin Sources/\(module)/\(type).swift --policy 'mine: \(isExit ? "exit" : "prune")=\(name)'
    ```

    """
  }
}
