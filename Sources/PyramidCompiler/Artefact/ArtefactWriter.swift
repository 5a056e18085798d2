// Writes a compiled graph and its weights as one file that is mapped and run as it is: a safetensors file whose tensors
// are the packed weights and whose metadata is the rest (ArtefactHeader).

import PyramidFormats
import PyramidIR
import PyramidKernels

/// Writes artefacts.
public struct ArtefactWriter {
  private let compiler: ModelCompiler

  /// A writer for graphs of one checkpoint.
  public init(_ compiler: ModelCompiler) { self.compiler = compiler }

  /// Writes `graph`, which the whole pipeline has compiled, and what was proven and measured about it to `path`: under a temporary
  /// name, renamed when complete and `check`, which is handed the temporary path, has not thrown.
  public func write(
    _ graph: Graph, to path: String, certificate: Certificate? = nil, precisionRecord: PrecisionRecord? = nil,
    checking check: (_ path: String) throws -> Void = { _ in }
  ) throws {
    guard let target = graph.target else {
      throw CompileError("graph @\(graph.name) has no target: it was not compiled to the end")
    }
    let learned = compiler.lowered.learned.sorted { $0.key < $1.key }
    let header = ArtefactHeader(
      graph: graph.description, labels: compiler.lowered.labels, tokenizer: compiler.checkpoint.tokenizer.rules.stored,
      maxTokens: compiler.checkpoint.maxTokens, learned: learned.map(\.key), checkpoint: graph.checkpoint ?? "",
      scoreFunction: compiler.checkpoint.configuration.scoreFunction?.rawValue, certificate: certificate,
      precisionRecord: precisionRecord)
    var declarations = graph.weights.map { weight in
      TensorDeclaration(weight.name, weight.precision == .f32 ? .F32 : .U8, storedShape(weight, target))
    }
    declarations += learned.map { TensorDeclaration(ArtefactHeader.learnedPrefix + $0.key, .F32, $0.value.shape) }
    try header.write(to: path, tensors: declarations, checking: check) { writer in
      for weight in graph.weights {
        let stored = try stored(weight, target)
        try stored.withUnsafeBytes { try writer.append($0, to: weight.name) }
      }
      for (name, values) in learned { try writer.append(values.values, to: ArtefactHeader.learnedPrefix + name) }
    }
  }

  private func storedShape(_ weight: Weight, _ target: InstructionSet) -> [Int] {
    if weight.layout == .plain && weight.precision == .f32 {
      return weight.type.extents.map { if case .fixed(let count) = $0 { count } else { 0 } }
    }
    return [weight.storedCount(target)]
  }

  /// The weight as the kernels read it.
  private func stored(_ weight: Weight, _ target: InstructionSet) throws -> [Float] {
    let values = try compiler.weights.values(of: weight)
    guard weight.precision == .f32 || values.allSatisfy(\.isFinite) else {
      throw CompileError(
        "#\(weight.name) holds a number that is not finite, which \(weight.precision.rawValue) can't store; compile "
          + "with --precision f32")
    }
    return weight.packed(values, for: target)
  }
}
