// A policy that the tools can use, built in or from a plugin. Built-in policies go through the same table of C
// functions as a plugin's, so that there is one path to test and a plugin is never slower than a built-in.

/// A policy type behind its C table: what it is called, which parameters it has, and how an instance is made.
public struct PolicyType: Sendable {
  let description: PolicyDescription
  nonisolated(unsafe) let table: PolicyTable
  /// UTF-8 text "policy @name of plugin FILE" that ends with a NUL, for trap messages; lives as long as the process.
  nonisolated(unsafe) let label: UnsafePointer<UInt8>

  /// The origin of policies that come with the project, whose weights mp-train fits.
  public static let builtIn = "built in"
  /// `builtIn`, "this program" for other types of the program, or the file of the plugin.
  public let origin: String

  /// Kebab-case name.
  public var name: String { description.name }
  /// Exit or prune.
  public var kind: PolicyKind { description.kind }
  /// Declared parameters.
  public var parameters: [PolicyParameter] { description.parameters }
  /// The answers that it makes sense for; all for a pruning policy.
  public var requires: Set<AnswerKind> { description.requires }
  /// Declared weights.
  public var tensors: [PolicyTensor] { description.tensors }

  /// A policy that is part of the program; `origin` is what errors and lists say of it.
  ///
  /// - Throws: `PolicyError.badDeclaration` when its name or its parameters contradict themselves.
  public init(_ type: any Policy.Type, origin: String = "this program") throws(PolicyError) {
    try self.init(PolicyTable(type.conformance), origin: origin, place: "(\(origin))")
  }

  /// The policies of a plugin, from the pointer that its entry `magic_pyramid_plugin` returned. The caller must have
  /// compared the plugin's version with `PolicySDK.versionText` before.
  ///
  /// - Throws: `PolicyError.badDeclaration` when the table or a policy's description makes no sense.
  public static func load(pluginTable: UnsafeRawPointer, file: String) throws(PolicyError) -> [PolicyType] {
    let plugin = pluginTable.load(as: PluginTable.self)
    guard plugin.size == MemoryLayout<PluginTable>.size, (0...1024).contains(plugin.count) else {
      throw .badDeclaration(policy: file, reason: "its table has another layout")
    }
    var types: [PolicyType] = []
    for index in 0..<plugin.count {
      let table = plugin.tables[index]
      guard table.size == MemoryLayout<PolicyTable>.size else {
        throw .badDeclaration(policy: file, reason: "its table has another layout")
      }
      types.append(try PolicyType(table, origin: file, place: "of plugin \(file)"))
    }
    return types
  }

  private init(_ table: PolicyTable, origin: String, place: String) throws(PolicyError) {
    let length = table.describe(table.context, nil, 0)
    guard (0...(1 << 20)).contains(length) else {
      throw .badDeclaration(policy: origin, reason: "its description is too long")
    }
    let text = String(unsafeUninitializedCapacity: max(1, length)) { buffer in
      min(length, table.describe(table.context, buffer.baseAddress, length))
    }
    description = try PolicyDescription(text)
    guard table.memorySize >= 0, table.memoryStride > 0, table.memoryAlignment > 0, table.memoryStride <= 1 << 20 else {
      throw .badDeclaration(policy: description.name, reason: "its memory of a sample exceeds a mebibyte")
    }
    self.table = table
    self.origin = origin
    label = immortalCString("policy @\(description.name) \(place)")
  }

  /// Makes an instance for a model. `learned` holds the checkpoint's learned values by name, such as
  /// `prune.thresholds`, and weights as `policies.<name>.<tensor>`; only those that the specification, a default or the
  /// policy's `tensors` name are read.
  ///
  /// - Throws: `PolicyError`: answers that it makes no sense for, unknown parameter, wrong type, out of range, missing learned values or weights, or the policy's own
  ///   objection.
  public func make(
    _ spec: PolicySpec, model: ModelFacts, learned: [String: LearnedTensor] = [:], others: [PolicyInstance] = []
  ) throws(PolicyError) -> PolicyInstance {
    guard requires.contains(model.answers) else {
      throw .unsuited(policy: name, requires: requires, answers: model.answers, fitting: [])
    }
    let resolved = try description.resolve(spec)
    let isFitted = origin == Self.builtIn
    let tensors = try description.tensors(of: learned, model: model, isFitted: isFitted).map(\.tensor)
    let text = CreationText.write(
      try description.substitute(learned, in: resolved, isFitted: isFitted), model: model, shapes: tensors.map(\.shape))
    let handle = try create(text, values: tensors.flatMap(\.values))
    let instance = PolicyInstance(type: self, spec: resolved, model: model, handle: handle, others: others)
    if instance.isActive(afterLayer: 0),
      let unknown = ExitSignal.allCases.first(where: {
        !$0.isKnownAtEntry && instance.exitSignals.contains($0)
      })
    {
      throw .rejected(
        "policy '\(name)' reads \(unknown.rawValue), which is not known at the entry: leave 0 out of its layers, or don't read it"
      )
    }
    return instance
  }

  private func create(_ text: String, values: [Float]) throws(PolicyError) -> UnsafeMutableRawPointer {
    let capacity = 4096
    var length = 0
    var handle: UnsafeMutableRawPointer?
    let message = String(unsafeUninitializedCapacity: capacity) { buffer in
      let bytes = Array(text.utf8)
      handle = PolicyCallNotes.during(.initializer, label) {
        table.create(
          table.context, bytes, bytes.count, values, values.count, buffer.baseAddress!, capacity, &length)
      }
      return handle == nil ? max(0, min(length, capacity)) : 0
    }
    guard let handle else { throw .rejected("policy '\(name)': \(message)") }
    return handle
  }
}
