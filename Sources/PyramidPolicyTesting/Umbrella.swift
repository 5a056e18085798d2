// What a policy author's tests need besides this module: classifiers to measure, and reports of what was measured.

@_exported import MagicPyramid
@_exported import PyramidEvaluation
@_exported import enum PyramidFormats.LabelTarget
@_exported import struct PyramidFormats.LabelledDataSet
