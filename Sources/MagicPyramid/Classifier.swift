// What most users of the library want: open a compiled model, hand it texts, get labels. Tokenisation happens on the
// caller's thread, the network on the executor's.

import PyramidFormats
import PyramidIR
import PyramidPolicy
import PyramidRuntime
import PyramidText

/// How a classifier runs.
public struct ClassifierOptions: Sendable {
  /// Policies in place of the compiled ones.
  public var policies = PolicyChoice()
  /// OpenMP threads; nil for what OMP_NUM_THREADS, affinity and the control group's quota allow.
  public var threads: Int?
  /// Most tokens that are computed at once, nil for what the graph admits; a longer text goes alone.
  public var batchTokens: Int?
  /// Most samples that are computed at once; nil for what the graph admits.
  public var batchSamples: Int?
  /// Whether answers tell which tokens were kept.
  public var recordsPositions = false

  /// The defaults.
  public init() {}
}

/// One text's classification.
public struct Classification: Sendable {
  /// Name of the best class.
  public let label: String
  /// Its number.
  public let labelIndex: Int
  /// Its probability.
  public let score: Float
  /// Probabilities of all classes, in the order of the model's labels.
  public let probabilities: [Float]
  /// Tokens of the whole text, before it was cut.
  public let fullLength: Int
  /// Whether the text was cut to the model's limit.
  public let isTruncated: Bool
  /// Layers of the model.
  public let layers: Int
  /// What the engine recorded.
  public let answer: Answer
}

/// A compiled model that classifies texts. Safe for use from several threads and tasks, whose texts are computed
/// together.
public final class Classifier: Sendable {
  /// The open artefact.
  public let model: LoadedModel
  /// Class names.
  public var labels: [String] { model.header.labels }
  /// The policies in force.
  public let policies: PolicyPair<PolicyInstance>
  let executor: Executor
  /// Cuts texts into the model's tokens.
  public let tokenizer: Tokenizer
  /// The most tokens that one text is cut to.
  public let tokenLimit: Int
  /// The most samples and tokens that are computed at once; a text of more tokens goes alone.
  public let batchLimits: (samples: Int, tokens: Int)

  /// Opens the artefact at `path`. Without `registry` its policies are the built-in ones. Throws `FormatError`,
  /// `RuntimeError` or `PolicyError`.
  public convenience init(path: String, registry: PolicyRegistry? = nil, options: ClassifierOptions = .init()) throws {
    try self.init(model: LoadedModel(path: path), registry: registry, options: options)
  }

  /// A classifier over an open model; several can share one. Without `registry` its policies are the built-in ones.
  public init(model: LoadedModel, registry: PolicyRegistry? = nil, options: ClassifierOptions = .init()) throws {
    self.model = model
    let registry = try registry ?? PolicyCatalogue.registry()
    policies = try model.policies(registry: registry, exit: options.policies.exit, prune: options.policies.prune)
    let admitted = model.graph.admitted(.tokens)
    tokenLimit = min(model.header.maxTokens, admitted)
    let batchTokens = min(options.batchTokens ?? admitted, admitted)
    let executorOptions = ExecutorOptions(
      graph: model.graph, samples: options.batchSamples, tokens: batchTokens, longestSample: tokenLimit,
      threads: ThreadCount.choose(requested: options.threads), recordsPositions: options.recordsPositions)
    batchLimits = (executorOptions.samples, batchTokens)
    executor = try Executor(model: model, policies: policies, options: executorOptions)
    tokenizer = try Tokenizer(model.header.tokenizer, file: model.path)
  }

  /// Whether the model takes pairs: a model with token types has one for the second text.
  public var acceptsPairs: Bool {
    let types = model.graph.weights.first { $0.name == "embeddings.types" }
    return types.map { $0.type.rows != .fixed(1) } ?? true
  }

  /// The class that a data set's label means: its name, or its number from 0; nil when the model has no such class.
  public func labelIndex(_ label: String) -> Int? {
    labels.firstIndex(of: label) ?? Int(label).flatMap { labels.indices.contains($0) ? $0 : nil }
  }

  /// The token strings of ids, for reports.
  public func tokens(of ids: [Int32]) -> [String] {
    let vocabulary = tokenizer.rules.vocabulary
    return ids.map { (0..<vocabulary.count).contains(Int($0)) ? vocabulary[Int($0)] : "?" }
  }

  /// Cuts a text or a pair into ids. An empty second text is none, as in `transformers`.
  public func encode(_ text: String, pair: String? = nil) -> Encoding {
    tokenizer.encode(text, pair: pair?.isEmpty == true ? nil : pair, limit: tokenLimit)
  }

  /// Classifies texts; answers come in their order. Any number of texts, and better many than few: those that take
  /// longer are computed together, whenever they came in.
  public func classify(_ texts: [String]) throws -> [Classification] {
    try classify(encodings: texts.map { encode($0) })
  }

  /// Classifies pairs of texts, for a model that `acceptsPairs`; an empty second text is none.
  public func classify(pairs: [(first: String, second: String)]) throws -> [Classification] {
    try classify(encodings: encode(pairs: pairs))
  }

  func encode(pairs: [(first: String, second: String)]) throws -> [Encoding] {
    if !acceptsPairs, let index = pairs.firstIndex(where: { !$0.second.isEmpty }) {
      throw RuntimeError("text \(index + 1) is a pair, and the model takes single texts only")
    }
    return pairs.map { encode($0.first, pair: $0.second) }
  }

  /// Classifies texts that were cut already.
  public func classify(encodings: [Encoding]) throws -> [Classification] {
    classifications(try executor.run(PackedBatch(encodings)), of: encodings)
  }

  /// Runs a packed batch as it is: for measurements and tests.
  public func run(_ batch: PackedBatch) throws -> [Answer] { try executor.run(batch) }

  /// The same into a table that is kept from batch to batch, which saves all allocations.
  public func run(_ batch: PackedBatch, into table: AnswerTable) throws { try executor.run(batch, into: table) }

  /// What callers see of answers.
  func classifications(_ answers: [Answer], of encodings: [Encoding]) -> [Classification] {
    zip(answers, encodings).map { answer, encoding in
      let (best, probabilities) = (answer.label, answer.probabilities)
      return Classification(
        label: labels[best], labelIndex: best, score: probabilities[best], probabilities: probabilities,
        fullLength: encoding.fullLength, isTruncated: encoding.isTruncated, layers: model.graph.shape.layers,
        answer: answer)
    }
  }
}
