// AdamW and its schedule against the formulas written out in double precision.

import Glibc
import PyramidRuntime
import Testing

@testable import PyramidTraining

@Suite("Optimiser")
struct OptimiserTests {
  private func optimiser(_ parameters: [Parameter], updates: Int, warmUp: Double = 0.2, norm: Double = 1e9) throws
    -> Optimiser
  {
    var options = TrainingOptions()
    (options.warmUp, options.maximumNorm) = (warmUp, norm)
    let groups = [ParameterGroup(parameters, learningRate: 0.1, weightDecay: 0.5)]
    return try Optimiser(
      groups, thread: TrainingThread(threads: 1), updates: updates, options)
  }

  @Test("The rate rises linearly to 1, then falls linearly to its last step above 0")
  func schedule() throws {
    let optimiser = try optimiser([], updates: 10)
    #expect((1...10).map { optimiser.rate(of: $0) } == [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    #expect(try self.optimiser([], updates: 2, warmUp: 0).rate(of: 1) == 1)
    #expect(try self.optimiser([], updates: 1, warmUp: 1).rate(of: 1) == 1)
  }

  @Test("Updates are AdamW of the mean gradient; matrices decay, vectors do not", arguments: [[3, 1], [3]])
  func adamW(shape: [Int]) throws {
    let parameter = Parameter(name: "x", shape: shape)
    parameter.array = [1, -2, 0.5]
    let optimiser = try optimiser([parameter], updates: 10)
    var (values, first, second) = ([1, -2, 0.5], [0.0, 0, 0], [0.0, 0, 0])
    for step in 1...10 {
      let gradient = (0..<3).map { sin(Double(step * 3 + $0)) }
      for index in 0..<3 { parameter.gradient![index] = Float(gradient[index] * 4) }
      let norm = try optimiser.update(step, samples: 4)
      #expect(abs(norm - gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()) < 1e-6)
      let rate = 0.1 * optimiser.rate(of: step)
      for index in 0..<3 {
        first[index] = 0.9 * first[index] + 0.1 * gradient[index]
        second[index] = 0.999 * second[index] + 0.001 * gradient[index] * gradient[index]
        let (mean, square) = (
          first[index] / (1 - pow(0.9, Double(step))), second[index] / (1 - pow(0.999, Double(step)))
        )
        values[index] -= rate * (shape.count > 1 ? 0.5 : 0) * values[index]
        values[index] -= rate * mean / (square.squareRoot() + 1e-8)
      }
      #expect(zip(parameter.array, values).allSatisfy { abs(Double($0) - $1) < 1e-5 })
      #expect(parameter.gradient!.allSatisfy { $0 == 0 })
    }
  }

  @Test("A gradient over the norm is scaled down to it, and one that is not finite changes nothing")
  func clipping() throws {
    func step(_ gradient: [Float], norm: Double) throws -> [Float] {
      let parameter = Parameter(name: "x", shape: [2])
      let optimiser = try optimiser([parameter], updates: 4, warmUp: 0, norm: norm)
      for (index, value) in gradient.enumerated() { parameter.gradient![index] = value }
      _ = try optimiser.update(1, samples: 1)
      return Array(parameter.moments!.first) + parameter.array
    }
    let clipped = try step([3, 4], norm: 1)
    #expect(abs(clipped[0] - 0.06) < 1e-6 && abs(clipped[1] - 0.08) < 1e-6)
    #expect(try step([.nan, 1], norm: 1) == [0, 0, 0, 0])
    #expect(try step([.infinity, 1], norm: 1) == [0, 0, 0, 0])
  }
}
