// One import for users of the library: the policy SDK, and the types that this module's API hands out.

@_exported import PyramidCompiler
@_exported import PyramidFormats
@_exported import PyramidIR
@_exported import PyramidKernels
@_exported import PyramidPolicy
@_exported import PyramidRuntime
@_exported import PyramidText
