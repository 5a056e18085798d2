// What a pass is and what it may know. A pass reads no clock, environment or CPU; kernel choice gets the instruction
// set as a value. Which passes there are, and their order, is in Pipeline.swift.

import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidPolicy

/// What passes know besides the graph.
public struct PassContext: Sendable {
  /// The policies to weave in.
  public var policies: PolicyPair<PolicyInstance>
  /// Layers, from 0, that have an exit head.
  public var exitHeads: Set<Int>
  /// Those of them that are linear.
  public var linearHeads: Set<Int>
  /// Those that add what the entry's head said.
  public var entryReaders: Set<Int>
  /// What these heads read.
  public var headInput: HeadInput
  /// The checkpoint's folder as a shell takes it, for errors that name a command.
  public var checkpointArgument: String
  /// The exit head before layer 1, if there is one.
  public var entryHead: EntryHead?
  /// The heads of each task of a model that has several, which are read in place of the others; empty for one.
  public var tasks: [TaskHeads]
  /// Instruction set to choose kernels for.
  public var target: InstructionSet
  /// Number format of the products.
  public var precision: Precision
  /// Parts of the model whose products have another one; parts that share a weight must agree.
  public var partPrecisions: [ModelPart: Precision] = [:]
  /// How often each head fires and how many tokens each layer keeps, if that is known.
  public var profile: PolicyProfile?

  /// A context; without policies the compiled graph equals the plain one.
  public init(
    policies: PolicyPair<PolicyInstance> = PolicyPair(), exitHeads: Set<Int> = [], linearHeads: Set<Int> = [],
    entryReaders: Set<Int> = [], headInput: HeadInput = .first, entryHead: EntryHead? = nil, tasks: [TaskHeads] = [],
    checkpointArgument: String = "CHECKPOINT",
    target: InstructionSet, precision: Precision = .f32, profile: PolicyProfile? = nil
  ) {
    self.policies = policies
    (self.exitHeads, self.linearHeads, self.entryReaders) = (exitHeads, linearHeads, entryReaders)
    (self.headInput, self.entryHead, self.tasks) = (headInput, entryHead, tasks)
    self.checkpointArgument = checkpointArgument
    self.target = target
    self.precision = precision
    self.profile = profile
  }

  /// A context with the heads of a model.
  public init(
    _ model: LoweredModel, policies: PolicyPair<PolicyInstance>, checkpointArgument: String = "CHECKPOINT",
    target: InstructionSet, precision: Precision = .f32, profile: PolicyProfile? = nil
  ) {
    self.init(
      policies: policies, exitHeads: model.exitHeads, linearHeads: model.linearHeads,
      entryReaders: model.entryReaders, headInput: model.headInput, entryHead: model.entryHead, tasks: model.tasks,
      checkpointArgument: checkpointArgument, target: target, precision: precision, profile: profile)
  }
}

/// One rewriting of the graph.
public protocol Pass: Sendable {
  /// Kebab-case name, also of its filetest folder.
  static var name: String { get }
  /// Whether `--disable-pass` may leave it out.
  static var isOptional: Bool { get }
  /// Rewrites the graph; throws when the graph can't be compiled as asked.
  func run(on graph: inout Graph, _ context: PassContext) throws
}

extension Pass {
  /// Passes may be left out unless they say otherwise.
  public static var isOptional: Bool { true }
  /// The name of the pass's type.
  public var name: String { Self.name }
}
