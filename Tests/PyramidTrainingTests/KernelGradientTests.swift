// The engine's gradients: whole models against PyTorch, dropout against the reference's masks, and the same bits at any
// thread count, run after run.

import PyramidIR
import PyramidKernels
import PyramidModels
import PyramidReference
import PyramidRuntime
import PyramidTestSupport
import PyramidTraining
import Testing

@Suite struct KernelGradientTests {
  /// The paths that promise the same bits at any thread count.
  static let invariant = InstructionSet.supported.filter { $0 != .portable }

  @Test(arguments: GradientGolden.names, InstructionSet.supported)
  func `Kernels compute PyTorch's gradients`(name: String, set: InstructionSet) throws {
    let golden = try GradientGolden(name)
    let result = try golden.training.kernels(set, threads: 2)
    #expect(abs(result.loss - golden.loss) < 1e-5 * golden.loss)
    #expect(gradientError(result.weights, expected: golden.gradients) < 1e-4)
  }

  /// A golden's model, with dropout as BERT has it.
  private func dropout(_ name: String, step: UInt64 = 3) throws -> TrainingCase {
    var training = try GradientGolden(name).training
    training.graph.nodes.removeAll { $0.section == .gradients }
    let rates = DropoutRates(
      embeddings: 0.1, attention: 0.1, attentionOutput: 0.1, feedForward: 0.1, headInput: 0.1, classifier: 0.1)
    training.graph = try training.graph.insertingDropout(rates).differentiated()
    training.inputs.random = RandomState(seed: 7, step: step)
    return training
  }

  @Test(arguments: ["bert-plain", "bert-soft"], InstructionSet.supported)
  func `Dropout's gradients are the reference's`(name: String, set: InstructionSet) throws {
    let training = try dropout(name)
    let (result, expected) = (try training.kernels(set, threads: 2), try training.reference())
    #expect(abs(result.loss - expected.loss) < 1e-5 * expected.loss)
    #expect(gradientError(result.weights, expected: expected.weights) < 1e-4)
    #expect(try result.loss != dropout(name, step: 4).kernels(set, threads: 2).loss)
  }

  @Test(arguments: ["bert-exits", "bert-soft"], invariant)
  func `The same seed gives the same bits at any thread count`(name: String, set: InstructionSet) throws {
    let training = try dropout(name)
    let alone = try training.kernels(set, threads: 1)
    for threads in [2, 3] {
      let shared = try training.kernels(set, threads: threads)
      #expect(shared.losses == alone.losses)
      #expect(shared.weights == alone.weights)
    }
  }

  @Test func `Gradients add up, and frozen weights get none`() throws {
    let training = try GradientGolden("bert-plain").training
    let once = try training.kernels(.native(), threads: 2)
    let frozen = Set(once.weights.keys.filter { $0.contains("bias") || $0.contains("gamma") })
    let twice = try training.kernels(.native(), threads: 2, times: 2, frozen: frozen)
    #expect(!frozen.isEmpty)
    let sums = once.weights.filter { !frozen.contains($0.key) }.mapValues { $0.map { 2 * $0 } }
    #expect(gradientError(twice.weights, expected: sums) < 1e-6)
  }
}
