// Whether exits still answer as the whole model does: a share of the texts is answered twice, and a test that may be looked
// at after each text says when a certificate no longer holds. Drawn by chance, so that no text can ask to be left out.

import Glibc
import MagicPyramid
import Synchronization

/// Evidence that a share is above a bound, by betting: under the bound, the stake's expectation never grows, so that it
/// ever reaches 1/alpha with a probability of at most alpha, however often one looks (Ville's inequality; Waudby-Smith
/// and Ramdas, 2024, for means of bounded numbers).
public struct ShareTest: Sendable {
  /// The bound, and the chance of an alarm where the share is not above it.
  public let bound, alpha: Double
  /// Bets on these shares, a part of the stake on each; their logarithms.
  private let shares: [Double]
  private var stakes: [Double]

  /// A test of a share of at most `bound`, over 0 and below 1.
  public init(bound: Double, alpha: Double) {
    (self.bound, self.alpha) = (bound, alpha)
    let parts = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    shares = parts.map { bound + (1 - bound) * $0 }
    stakes = Array(repeating: 0, count: parts.count)
  }

  /// Takes one more text.
  public mutating func count(isLost: Bool) {
    for (index, share) in shares.enumerated() {
      stakes[index] += isLost ? log(share / bound) : log((1 - share) / (1 - bound))
    }
  }

  /// Logarithm of the stake, which was 1.
  public var logEvidence: Double {
    let largest = stakes.max() ?? 0
    return largest + log(stakes.reduce(0) { $0 + exp($1 - largest) } / Double(stakes.count))
  }

  /// Whether the share is above the bound.
  public var isAlarming: Bool { logEvidence >= -log(alpha) }
}

/// Answers a share of the texts without policies as well.
final class ShadowTraffic: Sendable {
  private struct State {
    var test: ShareTest?
    var count = 0
    var agreeing = 0
    var isAlarming = false
  }

  private let share: Double
  private let terms: RequestTerms
  private let missClass: String?
  private let state: Mutex<State>

  /// For a classifier, which has to admit `never-exit` and `keep-all` in place of its policies. A certificate that bounds
  /// what dense answers otherwise is tested, unless the operator has other policies in force than it is for, or limits
  /// that answer some texts before their policy would. Throws `ServingError` where answers are numbers, of which none agree.
  init(_ options: ServingOptions, _ classifier: Classifier, _ registry: PolicyRegistry) throws {
    let kinds = classifier.model.graph.shape.answered.map { $0.task.task }
    guard kinds.allSatisfy({ $0 == .classification || $0 == .multiLabel }) else {
      throw ServingError(.invalid, "--shadow compares labels, and this model answers with numbers")
    }
    share = options.shadow
    let policies = classifier.policies
    terms = RequestTerms(
      policies: try classifier.model.policies(
        registry: registry, exit: policies.exit == nil ? nil : PolicySpec("never-exit"),
        prune: policies.prune == nil ? nil : PolicySpec("keep-all")))
    try classifier.check(terms)
    let certificate = classifier.model.header.certificate
    missClass = certificate?.missClass
    var test: ShareTest?
    let inForce = [policies.exit, policies.prune].map { $0?.spec.description }
    let isItsPolicy = options.isAdaptive || certificate.map { inForce == [$0.exit, $0.prune] } ?? false
    let isUnlimited = options.maxLayers == nil && options.deadline == nil
    let areItsLabels = classifier.task == .classification || options.classifier.labelThreshold == 0.5
    if let certificate, certificate.against == "dense", isItsPolicy, isUnlimited, areItsLabels {
      test = ShareTest(bound: certificate.maxDrop, alpha: 1 - certificate.confidence)
    }
    testsCertificate = certificate == nil ? nil : test != nil
    state = Mutex(State(test: test))
  }

  /// Whether the model's certificate is tested; nil where it has none.
  let testsCertificate: Bool?

  /// Whether this text is drawn.
  func draws() -> Bool { Double.random(in: 0..<1) < share }

  /// Answers a text without policies, and compares. Returns whether the alarm is raised by this text.
  func compare(_ answer: Classification, of encoding: Encoding, _ model: ServedModel) async throws -> Bool {
    let dense = try await model.classifier.classify(encodings: [encoding], on: terms)[0]
    let agrees = answer.agrees(with: dense)
    return state.withLock { state in
      state.count += 1
      if agrees { state.agreeing += 1 }
      let isTested = missClass.map { dense.labels?.contains($0) ?? ($0 == dense.label) } ?? true
      if isTested { state.test?.count(isLost: !agrees) }
      let isNew = state.test?.isAlarming == true && !state.isAlarming
      if isNew { state.isAlarming = true }
      // Here, so that what was counted last is what stands there; the count after what is told of it.
      Self.show(state, model.metrics)
      model.metrics.add("mp_shadow_texts_total", "Texts that were answered without policies, too.")
      return isNew
    }
  }

  private static func show(_ state: State, _ metrics: ModelMetrics) {
    metrics.gauge(
      "mp_shadow_agreement", "Share of texts with the same answer without policies.",
      Double(state.agreeing) / Double(state.count))
    guard let test = state.test else { return }
    metrics.gauge(
      "mp_shadow_log_evidence", "Logarithm of the evidence that the certificate is violated.", test.logEvidence)
    metrics.gauge("mp_certificate_alarm", "1 once that evidence was enough at any time.", state.isAlarming ? 1 : 0)
  }
}

extension Classification {
  /// Whether the labels are those of the whole model's answer, of every task that was asked.
  fileprivate func agrees(with dense: Classification) -> Bool {
    if tasks.isEmpty { return target == dense.target }
    return tasks.allSatisfy { own in
      dense.tasks.contains { $0.name == own.name && ($0.labels ?? [$0.label]) == (own.labels ?? [own.label]) }
    }
  }
}
