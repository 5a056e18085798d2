// Prune by what a small network says of each row: the skim predictors of Transkimmer, one for each boundary.

import PyramidPolicy

/// Keeps the tokens whose predictor, norm - linear - norm - GELU - linear on the row at the layer's input, says so.
public struct LearnedSkim: PruningPolicy {
  public static let name = "learned-skim"
  public static let parameters: [PolicyParameter] = [
    .number(
      "threshold", default: 0, in: -1e6...1e6,
      help: "least logit for staying above that for going; higher is faster")
  ]
  public static let tensors: [PolicyTensor] = [
    .perBoundary("norm1.weight", [.hidden]), .perBoundary("norm1.bias", [.hidden]),
    .perBoundary("linear1.weight", [.any, .hidden]), .perBoundary("linear1.bias", [.any]),
    .perBoundary("norm2.weight", [.any]), .perBoundary("norm2.bias", [.any]),
    .perBoundary("linear2.weight", [.fixed(2), .any]), .perBoundary("linear2.bias", [.fixed(2)]),
  ]

  /// The weights of one boundary.
  private struct Predictor: Sendable {
    let norm1, linear1, norm2, linear2: (weight: [Float], bias: [Float])

    init(_ arguments: PolicyArguments, _ boundary: Int) throws {
      func part(_ name: String) -> (weight: [Float], bias: [Float]) {
        let path = "\(boundary).\(name)"
        return (arguments.tensor(path + ".weight").values, arguments.tensor(path + ".bias").values)
      }
      (norm1, linear1, norm2, linear2) = (
        part("norm1"), part("linear1"), part("norm2"), part("linear2")
      )
      let width = linear1.bias.count
      guard linear1.weight.count == width * norm1.bias.count, norm2.weight.count == width,
        norm2.bias.count == width,
        linear2.weight.count == 2 * width
      else {
        throw PolicyError.rejected(
          "the tensors 'policies.learned-skim.\(boundary).*' do not fit each other")
      }
    }

    /// The logit for staying less that for going.
    func margin(_ row: [Double]) -> Double {
      let inner = normalised(apply(linear1, normalised(row, norm1)), norm2).map {
        $0 * (1 + erf($0 / 2.0.squareRoot())) / 2
      }
      let logits = apply(linear2, inner)
      return logits[1] - logits[0]
    }
  }

  public let reads: Set<TokenSignal> = [.hidden]
  private let threshold: Float
  private let predictors: [Predictor]

  public init(_ arguments: PolicyArguments) throws {
    threshold = arguments.float("threshold")
    predictors = try (0..<max(0, arguments.model.layers - 1)).map { try Predictor(arguments, $0) }
  }

  public func retention(afterLayer layer: Int) -> Retention { .above(threshold) }

  public func score(_ sample: borrowing TokenView, into scores: inout MutableSpan<Float>) {
    let (rows, width) = (sample.hidden, sample.width)
    var row = [Double](repeating: 0, count: width)
    for token in 0..<sample.count {
      for column in 0..<width { row[column] = Double(rows[token * width + column]) }
      scores[token] = Float(predictors[sample.layer - 1].margin(row))
    }
  }
}

/// The product with a matrix, and its bias.
private func apply(_ layer: (weight: [Float], bias: [Float]), _ x: [Double]) -> [Double] {
  layer.bias.indices.map { row in
    x.indices.reduce(Double(layer.bias[row])) {
      $0 + Double(layer.weight[row * x.count + $1]) * x[$1]
    }
  }
}

/// Layer norm with an epsilon of 1e-5, as PyTorch has it unless told.
private func normalised(_ x: [Double], _ norm: (weight: [Float], bias: [Float])) -> [Double] {
  let mean = x.reduce(0, +) / Double(x.count)
  let deviation = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count) + 1e-5)
    .squareRoot()
  return x.indices.map {
    (x[$0] - mean) / deviation * Double(norm.weight[$0]) + Double(norm.bias[$0])
  }
}

/// The error function, by a series of terms of one sign.
private func erf(_ x: Double) -> Double {
  let size = abs(x)
  if size > 6 { return x > 0 ? 1 : -1 }
  var (term, sum, odd) = (size, size, 1.0)
  while term > sum * 1e-17 {
    odd += 2
    term *= 2 * size * size / odd
    sum += term
  }
  let value = 2 / 3.141592653589793.squareRoot() * exponential(-size * size) * sum
  return x < 0 ? -value : value
}
