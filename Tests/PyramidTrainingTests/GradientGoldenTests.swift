// Whole models against PyTorch, by the reference interpreter. The kernels are held to the same goldens where they are
// tested.

import PyramidTestSupport
import Testing

@Suite struct GradientGoldenTests {
  @Test(arguments: GradientGolden.names)
  func `Every parameter's gradient is PyTorch's`(name: String) throws {
    let golden = try GradientGolden(name)
    let result = try golden.training.reference()
    #expect(abs(result.loss - golden.loss) < 1e-6 * golden.loss)
    // ALBERT has one layer.
    #expect(golden.gradients.count > (name == "albert-plain" ? 25 : 40))
    #expect(gradientError(result.weights, expected: golden.gradients) < 1e-5)
  }
}
