// One import for users of the library: the policy SDK whole, and by name the types of other modules that signatures of
// this one mention. The graph, the passes, JSON and the terminal are not among them: import their modules for those.

@_exported import struct PyramidCompiler.CompileError
@_exported import struct PyramidCompiler.CompileOptions
@_exported import struct PyramidCompiler.ModelCompiler
@_exported import struct PyramidFormats.FormatError
@_exported import struct PyramidFormats.OutputError
@_exported import struct PyramidFormats.PolicyProfile
@_exported import class PyramidFormats.RecordReader
@_exported import enum PyramidFormats.TextColumn
@_exported import enum PyramidFormats.TextFormat
@_exported import struct PyramidFormats.TextLayout
@_exported import struct PyramidFormats.TextRecord
@_exported import enum PyramidIR.InstructionSet
@_exported import enum PyramidIR.ModelPart
@_exported import enum PyramidIR.ModelTask
@_exported import enum PyramidIR.Precision
@_exported import struct PyramidKernels.KernelError
@_exported import struct PyramidModels.CheckpointError
@_exported import enum PyramidModels.ProblemType
@_exported import enum PyramidPlugins.PluginError
@_exported import enum PyramidPlugins.PolicyTrapReporter
@_exported import PyramidPolicy
@_exported import struct PyramidRuntime.Answer
@_exported import enum PyramidRuntime.AnswerLimit
@_exported import class PyramidRuntime.AnswerTable
@_exported import struct PyramidRuntime.DeadlinePassed
@_exported import class PyramidRuntime.ExecutionTrace
@_exported import class PyramidRuntime.LoadedModel
@_exported import struct PyramidRuntime.OperationCount
@_exported import struct PyramidRuntime.PackedBatch
@_exported import struct PyramidRuntime.RequestTerms
@_exported import struct PyramidRuntime.RuntimeError
@_exported import struct PyramidRuntime.TaskAnswer
@_exported import enum PyramidRuntime.ThreadCount
@_exported import struct PyramidText.Encoding
@_exported import class PyramidText.Tokenizer

/// The version of this package; what a 0.x version may break is in CHANGELOG.md.
public let magicPyramidVersion = "0.3.0"
