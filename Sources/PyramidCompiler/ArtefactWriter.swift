// Writes a compiled graph and its weights as one file that is mapped and run as it is: a safetensors file whose tensors
// are the packed weights and whose metadata is the rest (ArtefactHeader).

import CPyramidKernels
import PyramidFormats
import PyramidIR

/// Writes artefacts.
public struct ArtefactWriter {
  private let compiler: ModelCompiler

  /// A writer for graphs of one checkpoint.
  public init(_ compiler: ModelCompiler) { self.compiler = compiler }

  /// Writes `graph`, which the whole pipeline has compiled, to `path`: under a temporary name, renamed when complete.
  public func write(_ graph: Graph, to path: String) throws {
    guard let target = graph.target.flatMap(InstructionSet.init(rawValue:)) else {
      throw CompileError("graph @\(graph.name) has no target: it was not compiled to the end")
    }
    let learned = compiler.lowered.learned.sorted { $0.key < $1.key }
    let header = ArtefactHeader(
      graph: graph.description, labels: compiler.lowered.labels, tokenizer: compiler.checkpoint.tokenizer,
      maxTokens: maxTokens, learned: learned.map(\.key), checkpoint: graph.checkpoint ?? "")
    var declarations = graph.weights.map { weight in
      TensorDeclaration(weight.name, .F32, storedShape(weight, target))
    }
    declarations += learned.map { TensorDeclaration(ArtefactHeader.learnedPrefix + $0.key, .F32, [$0.value.count]) }
    try header.write(to: path, tensors: declarations) { writer in
      for weight in graph.weights {
        try writer.append(try stored(weight, target), to: weight.name)
      }
      for (name, values) in learned { try writer.append(values, to: ArtefactHeader.learnedPrefix + name) }
    }
  }

  /// Texts are cut to the tokenizer's limit or the position table, whichever is shorter.
  private var maxTokens: Int {
    min(compiler.checkpoint.tokenizer.modelMaxLength ?? .max, compiler.checkpoint.configuration.maxPositions)
  }

  private func storedShape(_ weight: Weight, _ target: InstructionSet) -> [Int] {
    switch weight.layout {
    case .plain:
      return weight.type.extents.map { if case .fixed(let count) = $0 { count } else { 0 } }
    case .panels:
      return [mp_linear_packed_count(target.kernels, Int32(weight.rowCount), Int32(weight.type.columns))]
    }
  }

  private func stored(_ weight: Weight, _ target: InstructionSet) throws -> [Float] {
    let values = try compiler.weights.values(of: weight)
    guard case .panels = weight.layout else { return values }
    let (rows, columns) = (Int32(weight.rowCount), Int32(weight.type.columns))
    let count = mp_linear_packed_count(target.kernels, rows, columns)
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      mp_linear_pack(target.kernels, values, rows, columns, buffer.baseAddress!)
      initialized = count
    }
  }
}

extension InstructionSet {
  /// The kernels' number for it.
  var kernels: mp_isa {
    switch self {
    case .portable: MP_ISA_PORTABLE
    case .avx2: MP_ISA_AVX2
    case .avx512: MP_ISA_AVX512
    }
  }
}
