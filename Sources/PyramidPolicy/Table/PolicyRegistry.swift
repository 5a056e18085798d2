// The policies that a tool knows: the built-in ones and those of the plugins it was given. A plain value with no global
// behind it, so that two registries in one process do not see each other.

/// A list of policy types with unique names.
public struct PolicyRegistry: Sendable {
  /// All types in the order given.
  public let all: [PolicyType]

  /// A registry of `types`.
  ///
  /// - Throws: `PolicyError.duplicatePolicy` when two share a name, whatever their kinds.
  public init(_ types: [PolicyType]) throws(PolicyError) {
    var origins: [String: String] = [:]
    for type in types {
      if let other = origins.updateValue(type.origin, forKey: type.name) {
        throw .duplicatePolicy(name: type.name, origins: [other, type.origin])
      }
    }
    all = types
  }

  /// The type of a name and kind.
  ///
  /// - Throws: `PolicyError.unknownPolicy`, which lists those of the kind, or `wrongKind`.
  public func type(named name: String, kind: PolicyKind) throws(PolicyError) -> PolicyType {
    guard let type = all.first(where: { $0.name == name }) else {
      let available = all.filter { $0.kind == kind }.map(\.name).sorted()
      throw .unknownPolicy(name: name, kind: kind, available: available)
    }
    guard type.kind == kind else { throw .wrongKind(name: name, wanted: kind) }
    return type
  }

  /// An instance of the policy of a specification; see `PolicyType.make`. One that makes no sense for the model's answers
  /// is refused with the names of those that do.
  public func make(
    _ spec: PolicySpec, kind: PolicyKind, model: ModelFacts, learned: [String: LearnedTensor] = [:],
    others: [PolicyInstance] = []
  ) throws(PolicyError) -> PolicyInstance {
    do {
      return try type(named: spec.name, kind: kind).make(spec, model: model, learned: learned, others: others)
    } catch .unsuited(let policy, let requires, let answers, _) {
      let fitting = all.filter { $0.kind == kind && $0.requires.contains(answers) }.map(\.name).sorted()
      throw .unsuited(policy: policy, requires: requires, answers: answers, fitting: fitting)
    }
  }
}
