// One text, seen from the inside, for the page that shows it: which tokens lived how long, what each head says, and what it
// costs beside the whole model. Runs on a classifier of its own that records tokens, made when it is first asked for.

import MagicPyramid
import PyramidFormats

extension ServedModel {
  /// What there is to play with: the policies in force with their numbers, the ranges of which are those that requests may
  /// ask for.
  public var controls: JSONValue {
    var policies: [JSONValue] = []
    for (kind, policy) in classifier.policies.all {
      let sliders = policy.type.parameters.compactMap { parameter -> JSONValue? in
        let declared: ClosedRange<Double>
        var isWhole = false
        switch parameter.kind {
        case .number(_, let range): declared = range
        case .integer(_, let range):
          (declared, isWhole) = (Double(range.lowerBound)...Double(range.upperBound), true)
        case .numbers, .word, .flag: return nil
        }
        guard case .number(let value)? = policy.spec[parameter.name] else { return nil }
        var bounds = value...value
        if let range = ranges[kind], case .number(let first)? = range.first[parameter.name],
          case .number(let last)? = range.last[parameter.name]
        {
          bounds = max(declared.lowerBound, min(first, last))...min(declared.upperBound, max(first, last))
        }
        let step: Double = isWhole ? 1 : (bounds.upperBound - bounds.lowerBound) / 200
        return [
          "name": .string(parameter.name), "help": .string(parameter.help), "value": JSONValue(value),
          "least": JSONValue(bounds.lowerBound), "most": JSONValue(bounds.upperBound),
          "step": JSONValue(step),
        ]
      }
      policies.append([
        "kind": .string(kind.rawValue), "name": .string(policy.spec.name), "spec": .string("\(policy.spec)"),
        "sliders": .array(sliders),
      ])
    }
    return [
      "model": .string(name), "version": .string("\(version)"), "accepts_pairs": .bool(classifier.acceptsPairs),
      "layers": JSONValue(classifier.model.graph.shape.layers), "policies": .array(policies),
    ]
  }

  /// The first text of a request from the inside. Throws as `answer` does.
  public func pyramid(of request: ServingRequest) async throws -> JSONValue {
    let (terms, _) = try terms(of: request)
    let encoding = try await encodings(of: request, until: terms.deadline)[0]
    let recorder = try recorder()
    let layers = recorder.model.graph.decisions.exits.map(\.number).sorted() + [recorder.model.graph.shape.layers]
    let depths = layers.filter { $0 <= terms.maxLayers ?? $0 }
    /// The answer, and the shortest time of a few runs. What a deadline cut short is not what is shown here.
    func run(_ terms: RequestTerms, times: Int = 1) async throws -> (answer: Classification, milliseconds: Double) {
      var (answer, least): (Classification?, Double) = (nil, .infinity)
      for _ in 0..<times {
        let start = ContinuousClock.now
        answer = try await recorder.classify(encodings: [encoding], on: terms)[0]
        if answer?.answer.limit == .deadline { throw DeadlinePassed() }
        least = min(least, (ContinuousClock.now - start) / .milliseconds(1))
      }
      return (answer!, least)
    }
    return try await admitted(tokens: encoding.ids.count * (3 + depths.count + 3)) {
      let (answer, milliseconds) = try await run(terms, times: 3)
      var heads: [JSONValue] = []
      var pass = terms
      pass.policies = try controlPolicies(prune: terms.policies?.prune?.spec)
      for layer in depths {
        pass.maxLayers = layer
        let head = try await run(pass).answer
        let scores = JSONValue.ofTasks(head) { .array(($0?.scores ?? head.scores).map { JSONValue($0) }) }
        heads.append(["layer": JSONValue(layer), "scores": scores])
      }
      var dense: (answer: Classification, milliseconds: Double)?
      if terms.maxLayers == nil, let policies = try? controlPolicies(prune: PolicySpec("keep-all")) {
        pass = terms
        pass.policies = policies
        dense = try await run(pass, times: 3)
      }
      guard case .object(var object) = answer.json(index: 0) else { return .null }
      object["answer"] = .string(answer.labelText)
      object["labels_of_scores"] = JSONValue.ofTasks(answer) {
        .array(classifier.head(of: $0?.name).labels.map(JSONValue.string))
      }
      object["text_tokens"] = .array(classifier.tokens(of: encoding.ids).map(JSONValue.string))
      object["alive"] = .array(
        (answer.answer.alivePositions ?? []).map { .array($0.map { JSONValue(Int($0)) }) })
      object["heads"] = .array(heads)
      object["ms"] = JSONValue(milliseconds)
      if let dense {
        object["ms_dense"] = JSONValue(dense.milliseconds)
        object["answer_dense"] = .string(dense.answer.labelText)
      }
      return .object(object)
    }
  }

  /// Policies under which nothing leaves, and tokens die as `prune` says.
  private func controlPolicies(prune: PolicySpec?) throws -> PolicyPair<PolicyInstance> {
    let own = classifier.policies
    return try classifier.model.policies(
      registry: registry, exit: own.exit == nil ? nil : PolicySpec("never-exit"),
      prune: own.prune == nil ? nil : prune ?? own.prune?.spec)
  }

  private func recorder() throws -> Classifier {
    try recording.withLock { recorder in
      if let recorder { return recorder }
      var options = options.classifier
      options.recordsPositions = true
      (options.batchSamples, options.batchTokens) = (4, classifier.tokenLimit)
      let made = try Classifier(model: classifier.model, registry: registry, options: options)
      recorder = made
      return made
    }
  }
}

extension JSONValue {
  /// What `make` says of an answer; of one to several tasks, what it says of each, by its name.
  fileprivate static func ofTasks(
    _ answer: Classification, _ make: (TaskClassification?) -> JSONValue
  ) -> JSONValue {
    if answer.tasks.isEmpty { return make(nil) }
    var object = JSONObject()
    for task in answer.tasks { object[task.name] = make(task) }
    return .object(object)
  }
}

extension Classification {
  /// The label, or all that are likely enough; of several tasks those of each.
  fileprivate var labelText: String { labels?.joined(separator: ", ") ?? label }
}
