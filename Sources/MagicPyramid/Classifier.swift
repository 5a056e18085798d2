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
  /// A model with several labels answers those whose probability is at least this.
  public var labelThreshold: Float = 0.5
  /// Of a model of several tasks, the names of those that are asked; nil for all.
  public var tasks: [String]?
  /// What the engine's work is noted in, for a timeline; nil for nothing.
  public var trace: ExecutionTrace?
  /// Whether the file at a path is read into memory, after which it may be written over, and not mapped.
  public var copiesModel = false

  /// The defaults.
  public init() {}
}

/// One text's classification.
public struct Classification: Sendable {
  /// Name of the best class; a model of one logit has only one. Of several tasks, each with its label.
  public let label: String
  /// Its number.
  public let labelIndex: Int
  /// Of a model with several labels, the names of those that are likely enough; nil for any other.
  public let labels: [String]?
  /// Their numbers, rising.
  public let labelIndices: [Int]?
  /// The labels that were asked about, in the order of the scores; nil for the model's own.
  public var candidates: [String]?
  /// The score of the best class: `scores`, or what the checkpoint's own function makes of the logits.
  public let score: Float
  /// What Hugging Face's text-classification pipeline gives, [C] in the order of the model's labels: softmax for one label
  /// of several, sigmoid for several labels and for one logit, the logits of a regression.
  public let scores: [Float]
  /// The scores where they are probabilities; empty for regression.
  public let probabilities: [Float]
  /// Tokens of the whole text, before it was cut.
  public let fullLength: Int
  /// Whether the text was cut to the model's limit.
  public let isTruncated: Bool
  /// Windows that the text was read in; nil where it was read in one piece.
  public var windows: Int?
  /// Layers of the model.
  public let layers: Int
  /// What the engine recorded.
  public let answer: Answer
  /// What each task that was asked of a model of several is answered, in the model's order; empty for one task. The
  /// members above but the exit layer and the lengths then say nothing.
  public var tasks: [TaskClassification] = []
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
  /// Whether the model takes pairs: a model with token types has all that the tokenizer gives to pairs.
  public let acceptsPairs: Bool
  private let labelThreshold: Float
  private let scoreFunction: ScoreFunction?
  /// All of the model's tasks, and those that are asked unless a call says otherwise; empty for a model of one.
  let allTasks, asked: [AskedTask]
  /// The most samples and tokens that are computed at once; a text of more tokens goes alone.
  public let batchLimits: (samples: Int, tokens: Int)

  /// Opens the artefact at `path`. Without `registry` its policies are the built-in ones. Throws `FormatError`,
  /// `RuntimeError` or `PolicyError`.
  public convenience init(path: String, registry: PolicyRegistry? = nil, options: ClassifierOptions = .init()) throws {
    try self.init(model: LoadedModel(path: path, copying: options.copiesModel), registry: registry, options: options)
  }

  /// A classifier over an open model; several can share one. Without `registry` its policies are the built-in ones.
  public init(model: LoadedModel, registry: PolicyRegistry? = nil, options: ClassifierOptions = .init()) throws {
    self.model = model
    let registry = try registry ?? PolicyCatalogue.registry()
    policies = try model.policies(registry: registry, exit: options.policies.exit, prune: options.policies.prune)
    let admitted = model.graph.admitted(.tokens)
    tokenLimit = min(model.header.maxTokens, admitted)
    let batchTokens = min(options.batchTokens ?? admitted, admitted)
    let asked = try Self.asked(options.tasks, of: model)
    (allTasks, self.asked) = (try Self.asked(nil, of: model), asked)
    let executorOptions = ExecutorOptions(
      graph: model.graph, samples: options.batchSamples, tokens: batchTokens, longestSample: tokenLimit,
      threads: ThreadCount.choose(requested: options.threads), recordsPositions: options.recordsPositions,
      trace: options.trace, tasks: options.tasks.map { _ in Set(asked.map(\.number)) })
    batchLimits = (executorOptions.samples, batchTokens)
    executor = try Executor(model: model, policies: policies, options: executorOptions)
    tokenizer = try Tokenizer(model.header.tokenizer, file: model.path)
    let types = model.graph.weights.first { $0.name == "embeddings.types" }
    let largestType = tokenizer.rules.template.largestType
    acceptsPairs = types.map { largestType < $0.rowCount } ?? true
    labelThreshold = options.labelThreshold
    scoreFunction = try model.header.scoreFunction.map { name in
      if let function = ScoreFunction(rawValue: name) { return function }
      throw FormatError(
        file: model.path, place: "score_function", problem: "is \(name.quoted), which is not a function")
    }
  }

  /// What the logits stand for.
  public var task: ModelTask { model.graph.shape.task }

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

  /// Classifies texts that were cut already. Throws `RuntimeError` where a text has a token without an embedding, or its
  /// answer is not a number, and `FormatError` where the model's file was written over.
  public func classify(encodings: [Encoding]) throws -> [Classification] {
    try classify(encodings: encodings, first: 0)
  }

  /// The same where the first text is number `first`, counted from 0, of those that errors count.
  package func classify(encodings: [Encoding], first: Int) throws -> [Classification] {
    try refuseGroupPolicy()
    try checkIDs(encodings, first: first)
    return try checked(classifications(executor.run(PackedBatch(encodings)), of: encodings), first: first)
  }

  /// Classifies groups of pairs of texts that are ranked together; all pairs of a group are computed in one batch, and an
  /// exit policy may compare them. Throws as the others do, and for a group that has no room in a batch.
  public func classify(groups: [[(first: String, second: String)]]) throws -> [[Classification]] {
    let encodings = try groups.map { try encode(pairs: $0) }
    try checkIDs(encodings.flatMap(\.self))
    var batch = PackedBatch()
    for group in encodings {
      for (place, encoding) in group.enumerated() {
        batch.append(encoding, joinsGroup: place > 0)
      }
    }
    var answers = try checked(classifications(executor.run(batch), of: encodings.flatMap(\.self)))[...]
    return groups.map { group in
      defer { answers = answers.dropFirst(group.count) }
      return Array(answers.prefix(group.count))
    }
  }

  /// What is wrong with a text's tokens, as the end of a sentence; nil when nothing is.
  public func problem(of encoding: Encoding) -> String? {
    if encoding.fullLength == .max { return "has \(Encoding.tooLong)" }
    if encoding.ids.isEmpty { return "has no tokens, not even those that stand at a text's ends" }
    if encoding.ids.count != encoding.typeIDs.count {
      return "has \(encoding.ids.count) ids and \(encoding.typeIDs.count) token types"
    }
    return executor.problem(ofIDs: encoding.ids) { tokens(of: [$0])[0].printable(limit: 40) }
  }

  func checkIDs(_ encodings: [Encoding], first: Int = 0) throws {
    for (index, encoding) in encodings.enumerated() {
      if let problem = problem(of: encoding) { throw RuntimeError("text \(first + index + 1) \(problem)") }
    }
  }

  func checked(_ answers: [Classification], first: Int = 0) throws -> [Classification] {
    try model.checkUnchanged()
    guard let index = answers.firstIndex(where: \.isBroken) else { return answers }
    throw RuntimeError("text \(first + index + 1): \(Self.brokenAnswer)")
  }

  static let brokenAnswer = "the model's answer is not a number; its weights hold NaN or infinite ones"

  /// Runs a packed batch as it is: for measurements and tests.
  public func run(_ batch: PackedBatch) throws -> [Answer] { try executor.run(batch) }

  /// The same into a table that is kept from batch to batch, which saves all allocations.
  public func run(_ batch: PackedBatch, into table: AnswerTable) throws { try executor.run(batch, into: table) }

  /// Classifies texts whose tokens are all known; an answer that is not a number is among the others.
  func answers(to encodings: [Encoding]) throws -> [Classification] {
    classifications(try executor.run(PackedBatch(encodings)), of: encodings)
  }

  /// Throws where the policy compares the samples of a group, and there are none.
  func refuseGroupPolicy() throws {
    guard let exit = policies.exit, exit.exitSignals.contains(.groupLogits) else { return }
    throw RuntimeError(
      "exit policy '\(exit.spec)' compares the pairs of a group: say what makes a group, --group-by FIELD")
  }

  /// What callers see of answers.
  func classifications(
    _ answers: [Answer], of encodings: [Encoding], tasks: Set<Int>? = nil
  ) -> [Classification] {
    zip(answers, encodings).map { classification($0, of: $1, tasks: tasks) }
  }

  /// What callers see of an answer; `tasks` are those of the call's terms.
  func classification(
    _ answer: Answer, of encoding: Encoding, windows: Int? = nil, tasks: Set<Int>? = nil
  ) -> Classification {
    let asked = tasks.map { tasks in allTasks.filter { tasks.contains($0.number) } } ?? self.asked
    if !asked.isEmpty { return joined(asked.map { $0.classification(answer, labelThreshold) }, answer, of: encoding) }
    let (best, scores) = (answer.label, task.scores(answer.logits))
    let likely = task == .multiLabel ? labels.indices.filter { scores[$0] >= labelThreshold } : nil
    return Classification(
      label: labels[best], labelIndex: best, labels: likely?.map { labels[$0] }, labelIndices: likely,
      score: scoreFunction?(answer.logits)[best] ?? scores[best], scores: scores,
      probabilities: task == .regression ? [] : scores, fullLength: encoding.fullLength,
      isTruncated: encoding.isTruncated, windows: windows, layers: model.graph.shape.layers, answer: answer)
  }
}

extension ModelTask {
  /// What a data set's labels are compared with.
  public var labelKind: LabelKind {
    switch self {
    case .classification: .one
    case .multiLabel: .several
    case .ranking, .regression: .value
    }
  }
}

extension Classification {
  /// The answer in the form of a data set's labels.
  public var target: LabelTarget {
    switch answer.task {
    case .classification: .one(labelIndex)
    case .multiLabel: .several(labelIndices ?? [])
    case .ranking, .regression: .value(Double(answer.logits[0]))
    }
  }
}
