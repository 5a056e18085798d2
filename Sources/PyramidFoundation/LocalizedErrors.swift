// Foundation's `error.localizedDescription` gives a project's message only for errors that are `LocalizedError`s. It is
// a module of its own, in the product but in no tool: Foundation costs 2 to 10 million instructions at start-up, as
// many as the rest of a tool's start.

import FoundationEssentials
import MagicPyramid
import PyramidIR
import PyramidReference
import PyramidText

// What these errors say is one line, made to be shown.

extension CheckpointError: LocalizedError { public var errorDescription: String? { description } }
extension CompileError: LocalizedError { public var errorDescription: String? { description } }
extension FormatError: LocalizedError { public var errorDescription: String? { description } }
extension GraphError: LocalizedError { public var errorDescription: String? { description } }
extension KernelError: LocalizedError { public var errorDescription: String? { description } }
extension OutputError: LocalizedError { public var errorDescription: String? { description } }
extension ParseError: LocalizedError { public var errorDescription: String? { description } }
extension PluginError: LocalizedError { public var errorDescription: String? { description } }
extension PolicyError: LocalizedError { public var errorDescription: String? { description } }
extension ReferenceError: LocalizedError { public var errorDescription: String? { description } }
extension RuntimeError: LocalizedError { public var errorDescription: String? { description } }
extension TokenizerError: LocalizedError { public var errorDescription: String? { description } }
extension VerifierError: LocalizedError { public var errorDescription: String? { description } }
