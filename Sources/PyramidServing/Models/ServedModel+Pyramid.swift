// One text, seen from the inside, for the page that shows it: which tokens lived how long, what each head says, and what it
// costs beside the whole model. Runs on a classifier of its own that records tokens, made when it is first asked for.

import MagicPyramid
import PyramidFormats

extension ServedModel {
  /// What there is to play with: the policies in force with their numbers, the ranges of which are those that requests may
  /// ask for.
  public var controls: JSONValue {
    let policies = classifier.policies.all.map { kind, policy -> JSONValue in
      var arguments = JSONObject()
      for argument in policy.spec.arguments { arguments[argument.name] = .string("\(argument.value)") }
      return [
        "kind": .string(kind.rawValue), "name": .string(policy.spec.name), "spec": .string("\(policy.spec)"),
        "arguments": .object(arguments),
        "sliders": .array(policy.type.parameters.flatMap { sliders(of: $0, policy.spec, ranges[kind]) }),
      ]
    }
    return [
      "model": .string(name), "version": .string("\(version)"), "accepts_pairs": .bool(classifier.acceptsPairs),
      "layers": JSONValue(classifier.model.graph.shape.layers), "policies": .array(policies),
    ]
  }

  /// A slider for each number of a parameter. None for a list of another length than requests may ask for: what it shows
  /// would not be in force.
  private func sliders(of parameter: PolicyParameter, _ spec: PolicySpec, _ range: PolicyRange?) -> [JSONValue] {
    let declared: ClosedRange<Double>
    var isWhole = false
    switch parameter.kind {
    case .number(_, let limits), .numbers(_, let limits): declared = limits
    case .integer(_, let limits):
      (declared, isWhole) = (Double(limits.lowerBound)...Double(limits.upperBound), true)
    case .word, .flag: return []
    }
    var values = numbers(spec[parameter.name])
    let isList = if case .number? = spec[parameter.name] { false } else { true }
    var (first, last) = (numbers(range?.first[parameter.name]), numbers(range?.last[parameter.name]))
    // One number stands for all.
    if values.count == 1, first.count > 1 { values = Array(repeating: values[0], count: first.count) }
    if first.isEmpty || last.isEmpty { (first, last) = (values, values) }
    guard first.count == values.count, last.count == values.count else { return [] }
    // Lists of counts are declared from 1 on.
    if isList, declared.lowerBound == 1 { isWhole = (values + first + last).allSatisfy { $0 == $0.rounded() } }
    return values.indices.map { index -> JSONValue in
      let (from, to) = (min(first[index], last[index]), max(first[index], last[index]))
      let (least, most) = (max(declared.lowerBound, from), min(declared.upperBound, to))
      let step: Double = isWhole ? 1 : (most - least) / 200
      var slider = JSONObject()
      (slider["name"], slider["help"]) = (.string(parameter.name), .string(parameter.help))
      (slider["value"], slider["is_list"]) = (JSONValue(values[index]), .bool(isList))
      if values.count > 1 { slider["place"] = .string(place(index, of: values.count)) }
      (slider["least"], slider["most"]) = (JSONValue(least), JSONValue(most))
      slider["step"] = JSONValue(step)
      return .object(slider)
    }
  }

  /// The numbers of a value, those that the model learned included.
  private func numbers(_ value: PolicySpec.Value?) -> [Double] {
    guard case .learned(let symbol)? = value else { return value.flatMap(PolicyRange.numbers) ?? [] }
    return classifier.model.learned[symbol]?.values.map { Double($0) } ?? []
  }

  /// What a list's number is for: most have one for each layer but the last.
  private func place(_ index: Int, of count: Int) -> String {
    count == classifier.model.graph.shape.layers - 1 ? "after layer \(index + 1)" : "\(index + 1) of \(count)"
  }

  /// The first text of a request from the inside. Throws as `answer` does.
  public func pyramid(of request: ServingRequest) async throws -> JSONValue {
    try checkUnchanged()
    let (terms, _) = try terms(of: request)
    let encoding = try await encodings(of: request, until: terms.deadline)[0]
    let recorder = try recorder()
    let layers = recorder.model.graph.decisions.exits.map(\.number).sorted() + [recorder.model.graph.shape.layers]
    let depths = layers.filter { $0 <= terms.maxLayers ?? $0 }
    /// The shortest of a few runs. Where the terms have a deadline, each has the time that a request has, and one that it
    /// cut counts only where it cut all.
    func run(_ terms: RequestTerms, times: Int = 1) async throws -> (answer: Classification, milliseconds: Double) {
      var runs: [(answer: Classification, milliseconds: Double)] = []
      for _ in 0..<times {
        var terms = terms
        terms.deadline = terms.deadline == nil ? nil : deadline(of: request)
        let start = ContinuousClock.now
        let answer = try await recorder.classify(encodings: [encoding], on: terms)[0]
        runs.append((answer, (ContinuousClock.now - start) / .milliseconds(1)))
      }
      let whole = runs.filter { $0.answer.answer.limit != .deadline }
      return (whole.isEmpty ? runs : whole).min { $0.milliseconds < $1.milliseconds }!
    }
    return try await admitted(tokens: encoding.ids.count * (3 + depths.count + 3)) {
      let (answer, milliseconds) = try await run(terms, times: 3)
      var heads: [JSONValue] = []
      // Heads and dense are asked for the picture: what a deadline would leave of them is not what they say.
      var pass = terms
      pass.deadline = nil
      pass.policies = try controlPolicies(prune: terms.policies?.prune?.spec)
      for layer in depths {
        pass.maxLayers = layer
        let head = try await run(pass).answer
        let scores = JSONValue.ofTasks(head) { .array(($0?.scores ?? head.scores).map { JSONValue($0) }) }
        heads.append(["layer": JSONValue(layer), "scores": scores])
      }
      var dense: (answer: Classification, milliseconds: Double)?
      if terms.maxLayers == nil, let policies = try? controlPolicies(prune: PolicySpec("keep-all")) {
        (pass.maxLayers, pass.policies) = (nil, policies)
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
