// One version of one model behind a port: what a request asks is checked against what the operator allows, cut into tokens,
// let in by the gate, and answered in waves with everybody else's.

import MagicPyramid
import PyramidFormats
import Synchronization

/// What a request asks, whatever protocol it came by.
public struct ServingRequest: Sendable {
  /// The texts; an empty second one is none.
  public var texts: [(first: String, second: String)]
  /// Policies in place of the model's, as the command line spells them.
  public var exit, prune: String?
  /// Of a model of several tasks, the names of those that are asked; nil for all.
  public var tasks: [String]?
  /// Layers that run at most, 0 where only the head in front of them may answer.
  public var maxLayers: Int?
  /// Time until an answer is worth nothing.
  public var deadline: Duration?
  /// Refuses texts over the model's limit, which otherwise are cut.
  public var refusesTruncation = false

  /// A request for texts.
  public init(texts: [(first: String, second: String)]) { self.texts = texts }
}

/// The answers to a request, in the order of its texts.
public struct ServingResult: Sendable {
  /// The answers.
  public let answers: [Classification]
  /// The exit and the pruning policy that were in force; nil where the model has none.
  public let exit, prune: String?
  /// How far the exit policy was loosened, 0 to 1; nil unless the server is adaptive.
  public let loosened: Double?
}

/// A model that is loaded and warm.
public final class ServedModel: Sendable {
  /// Its name and the number of its version.
  public let name: String, version: Int
  /// The file that it was loaded from.
  public let path: String
  /// The model.
  public let classifier: Classifier
  /// What waits for it.
  public let gate: AdmissionGate
  /// Its numbers.
  public let metrics: ModelMetrics
  /// The operator's choices.
  public let options: ServingOptions
  let registry: PolicyRegistry
  /// What requests may ask for, every argument spelt out.
  let ranges: PolicyPair<PolicyRange>
  /// Exit policies from the strictest to the certified one; empty unless adaptive.
  private let levels: [PolicyPair<PolicyInstance>]
  private let shadow: ShadowTraffic?
  private let onTrouble: @Sendable (ServedModel, String) -> Void
  /// Policies that requests asked for already, by their text.
  private let asked = Mutex<[String: PolicyPair<PolicyInstance>]>([:])
  private static let mostAsked = 256
  /// What the page asks; nil until it does.
  let recording = Mutex<Classifier?>(nil)

  /// Opens an artefact and checks that the operator's choices fit it; `onTrouble` is told what is for a log. Throws what
  /// `Classifier` does, and `ServingError`.
  public init(
    name: String, version: Int, path: String, options: ServingOptions, registry: PolicyRegistry,
    metrics: MetricRegistry, onTrouble: @escaping @Sendable (ServedModel, String) -> Void = { _, _ in }
  ) throws {
    (self.name, self.version, self.path) = (name, version, path)
    (self.options, self.registry, self.onTrouble) = (options, registry, onTrouble)
    classifier = try Classifier(path: path, registry: registry, options: options.classifier)
    try classifier.check(RequestTerms(maxLayers: options.maxLayers))
    gate = AdmissionGate(capacity: options.queueTokens)
    self.metrics = ModelMetrics(
      metrics, model: name, version: "\(version)", layers: classifier.model.graph.shape.layers)
    let model = classifier.model
    func resolved(_ range: PolicyRange?, _ kind: PolicyKind) throws -> PolicyRange? {
      func spec(_ spec: PolicySpec) throws -> PolicySpec {
        let pair = try model.policies(
          registry: registry, exit: kind == .exit ? spec : nil, prune: kind == .prune ? spec : nil)
        return pair[kind]?.spec ?? spec
      }
      return try range.map { try PolicyRange(spec($0.first), spec($0.last)) }
    }
    ranges = PolicyPair(
      exit: try resolved(options.exitRange, .exit), prune: try resolved(options.pruneRange, .prune))
    levels = options.isAdaptive ? try AdaptiveExits.levels(classifier, options, registry) : []
    shadow = options.shadow > 0 ? try ShadowTraffic(options, classifier, registry) : nil
  }

  /// Compares the model with the checksum that it was compiled with, and runs texts of different lengths and a full wave, so
  /// that the first request finds memory and threads in place.
  func warmUp() async throws {
    try classifier.model.verify()
    let limit = classifier.tokenLimit
    let long = classifier.encode(String(repeating: "a ", count: limit))
    let count = max(1, min(classifier.batchLimits.samples, classifier.batchLimits.tokens / long.ids.count))
    _ = try await classifier.classify(encodings: [classifier.encode("a")])
    _ = try await classifier.classify(encodings: Array(repeating: long, count: count))
  }

  /// Answers a request. Throws `ServingError`, or `CancellationError` when nobody waits for the answer any more.
  public func answer(_ request: ServingRequest) async throws -> ServingResult {
    guard request.texts.count <= options.maxTexts else {
      throw ServingError(
        .tooLarge, "\(request.texts.count) texts, and a request may have \(options.maxTexts): send several")
    }
    try gate.refuseIfFull(atLeast: request.texts.count)
    try checkUnchanged()
    let (terms, level) = try terms(of: request)
    let encodings = try await encodings(of: request, until: terms.deadline)
    let answers = try await admitted(tokens: encodings.reduce(0) { $0 + $1.ids.count }) {
      try await self.classifier.classify(encodings: encodings, on: terms)
    }
    metrics.count(answers)
    // What a request made of it is no fault of the exits; whether a text is drawn must not depend on its answer.
    if request.exit == nil, request.prune == nil, request.maxLayers == nil, request.deadline == nil {
      observe(answers, encodings)
    }
    let policies = terms.policies ?? classifier.policies
    return ServingResult(
      answers: answers, exit: policies.exit?.spec.description, prune: policies.prune?.spec.description,
      loosened: level)
  }

  /// Runs `body` with room for so many tokens; what goes wrong in it is a `ServingError`, and so is a model's file that was
  /// written over by the time that it is through: what it computed may be of neither model.
  func admitted<Result: Sendable>(tokens: Int, _ body: () async throws -> Result) async throws -> Result {
    do { return try await gate.admit(tokens: tokens, body) } catch let error as DeadlinePassed {
      throw ServingError(.late, error.description)
    } catch let error as RuntimeError {
      throw ServingError(.broken, error.description)
    } catch let error as FormatError {
      throw ServingError(.broken, error.description)
    }
  }

  /// Runs a request's work, from its body to its reply, and counts how it ends.
  public func counted<Result>(protocol name: String, _ body: () async throws -> Result) async throws -> Result {
    let start = ContinuousClock.now
    func count(_ outcome: String) {
      metrics.count(outcome: outcome, protocol: name, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
    do {
      let result = try await body()
      count("ok")
      return result
    } catch let error as ServingError {
      count(error.kind.word)
      throw error
    } catch {
      count("lost")
      throw error
    }
  }

  /// The texts in tokens. Other tasks get their turn after each of them, and nothing is cut that nobody waits for.
  func encodings(
    of request: ServingRequest, until deadline: ContinuousClock.Instant?
  ) async throws -> [Encoding] {
    let bytes = request.texts.reduce(0) { $0 + $1.first.utf8.count + $1.second.utf8.count }
    guard bytes <= options.maxTextBytes else {
      throw ServingError(
        .tooLarge,
        "the texts have \(bytes) bytes, a query counted with each of them, and a request may have "
          + "\(options.maxTextBytes): send several")
    }
    var encodings: [Encoding] = []
    encodings.reserveCapacity(request.texts.count)
    for (index, text) in request.texts.enumerated() {
      await Task.yield()
      try Task.checkCancellation()
      if let deadline, ContinuousClock.now >= deadline { throw ServingError(.late, DeadlinePassed().description) }
      if !text.second.isEmpty, !classifier.acceptsPairs {
        throw ServingError(.invalid, "text \(index + 1) is a pair, and the model takes single texts only")
      }
      let encoding = try await encoding(of: text, number: index + 1, until: deadline)
      if let problem = classifier.problem(of: encoding) {
        throw ServingError(.invalid, "text \(index + 1) \(problem)")
      }
      if request.refusesTruncation, encoding.isTruncated {
        throw ServingError(
          .tooLarge,
          "text \(index + 1) has \(encoding.fullLength) tokens, and the model reads \(encoding.ids.count): shorten it, "
            + "or ask for truncation")
      }
      encodings.append(encoding)
    }
    return encodings
  }

  private func encoding(
    of text: (first: String, second: String), number: Int, until deadline: ContinuousClock.Instant?
  ) async throws -> Encoding {
    let bytes = text.first.utf8.count + text.second.utf8.count
    guard bytes <= options.maxOneTextBytes else {
      throw ServingError(
        .tooLarge, "text \(number) has \(bytes) bytes, and one may have \(options.maxOneTextBytes): shorten it")
    }
    if bytes <= LargeTexts.bytes { return classifier.encode(text.first, pair: text.second) }
    return try await LargeTexts.shared.encoding(of: text, by: classifier, until: deadline)
  }

  /// The terms that a request is answered on, and how far its exit policy was loosened.
  func terms(of request: ServingRequest) throws -> (RequestTerms, loosened: Double?) {
    var terms = RequestTerms()
    terms.maxLayers = [request.maxLayers, options.maxLayers].compactMap(\.self).min()
    terms.deadline = deadline(of: request)
    var loosened: Double?
    if request.exit != nil || request.prune != nil {
      terms.policies = try policies(exit: request.exit, prune: request.prune)
    } else if !levels.isEmpty {
      let level = level
      (terms.policies, loosened) = (levels[level], Double(level) / Double(levels.count - 1))
    }
    do {
      terms.tasks = try request.tasks.map { try classifier.numbers(ofTasks: $0) }
      try classifier.check(terms)
    } catch { throw ServingError(.invalid, "\(error)") }
    return (terms, loosened)
  }

  /// By when a request has to be answered that comes in now.
  func deadline(of request: ServingRequest) -> ContinuousClock.Instant? {
    [request.deadline, options.deadline].compactMap(\.self).min().map { .now + $0 }
  }

  /// The exit policy's place in `levels` at this fill of the queue.
  private var level: Int { min(Int(gate.fill * Double(levels.count)), levels.count - 1) }

  /// Whether texts that are answered twice test the model's certificate; nil where none are, or there is none.
  public var testsCertificate: Bool? { shadow?.testsCertificate }

  /// Throws `ServingError` when the model's file was written over, since it will not answer.
  public func checkReady() throws(ServingError) { try checkUnchanged(.unavailable) }

  /// Throws `ServingError` of a kind when the model's file was written over.
  func checkUnchanged(_ kind: ServingError.Kind = .broken) throws(ServingError) {
    do { try classifier.model.checkUnchanged() } catch { throw ServingError(kind, error.description) }
  }

  /// Sets the numbers that are of the moment.
  public func refreshMetrics() {
    if !levels.isEmpty {
      metrics.gauge(
        "mp_exit_loosened", "How far the exit policy is loosened, 0 to 1.", Double(level) / Double(levels.count - 1))
    }
    metrics.gauge("mp_queue_tokens", "Tokens of requests that wait for answers.", Double(gate.tokens))
    metrics.gauge("mp_queue_requests", "Requests that wait for answers.", Double(gate.requests))
    metrics.gauge("mp_queue_capacity_tokens", "Tokens that may wait.", Double(gate.capacity))
  }

  /// Policies that a request asks for, which the operator must allow.
  private func policies(exit: String?, prune: String?) throws -> PolicyPair<PolicyInstance> {
    let key = "\(exit ?? "")\n\(prune ?? "")"
    if let known = asked.withLock({ $0[key] }) { return known }
    let made: PolicyPair<PolicyInstance>
    do {
      let own = options.classifier.policies
      made = try classifier.model.policies(
        registry: registry, exit: try exit.map { try PolicySpec($0) } ?? own.exit,
        prune: try prune.map { try PolicySpec($0) } ?? own.prune)
    } catch { throw ServingError(.invalid, "\(error)") }
    for (kind, text) in [(PolicyKind.exit, exit), (.prune, prune)] where text != nil {
      guard let spec = made[kind]?.spec else { continue }
      guard spec != classifier.policies[kind]?.spec else { continue }
      guard let range = ranges[kind] else {
        throw ServingError(.invalid, "\(kind.rawValue): this server lets no request change it")
      }
      guard range.contains(spec) else {
        throw ServingError(.invalid, "\(kind.rawValue): '\(spec)' is outside of what this server allows, \(range)")
      }
    }
    asked.withLock { asked in
      if asked.count >= Self.mostAsked { asked.removeAll() }
      asked[key] = made
    }
    return made
  }

  /// Answers drawn texts again without policies, when there is time for it.
  private func observe(_ answers: [Classification], _ encodings: [Encoding]) {
    guard let shadow else { return }
    for (answer, encoding) in zip(answers, encodings) where shadow.draws() {
      Task {
        do {
          let isAlarming = try await gate.admit(tokens: encoding.ids.count, upTo: 0.5) {
            try await shadow.compare(answer, of: encoding, self)
          }
          if isAlarming { onTrouble(self, "answers disagree with dense more often than the certificate allows") }
        } catch is ServingError {
          metrics.add("mp_shadow_skipped_total", "Drawn texts that were not answered twice, since the queue was long.")
        } catch { onTrouble(self, "a text that was drawn has no answer without policies: \(error)") }
      }
    }
  }
}

/// Cuts large texts into tokens one after another, whoever asks: each takes memory for a while, and a thread that others'
/// requests run on.
private actor LargeTexts {
  static let shared = LargeTexts()
  /// Texts beyond this are large.
  static let bytes = 64 << 10

  func encoding(
    of text: (first: String, second: String), by classifier: Classifier, until deadline: ContinuousClock.Instant?
  ) throws -> Encoding {
    try Task.checkCancellation()
    if let deadline, ContinuousClock.now >= deadline { throw ServingError(.late, DeadlinePassed().description) }
    return classifier.encode(text.first, pair: text.second)
  }
}
