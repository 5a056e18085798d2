// Tests of executed models look at graphs, artefacts and waves, which `import MagicPyramid` does not hand out.

@_exported import PyramidCompiler
@_exported import PyramidFormats
@_exported import PyramidIR
@_exported import PyramidModels
@_exported import PyramidRuntime
@_exported import PyramidText
