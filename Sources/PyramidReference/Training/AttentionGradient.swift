// The derivative of attention, one query, head and key at a time, as Attention.swift computes the thing itself.

import PyramidIR

extension Attention {
  /// Gradients by q, k and v, each [T, H], of a loss whose gradients by the context rows and by the attention received
  /// are given.
  func gradients(_ dy: [Double], received: [Double]) -> (query: [Double], key: [Double], value: [Double]) {
    let (headWidth, tokens) = (width / heads, segments.last ?? 0)
    let scale = Double(headWidth).squareRoot()
    var (dq, dk, dv) = (
      [Double](repeating: 0, count: tokens * width), [Double](repeating: 0, count: tokens * width),
      [Double](repeating: 0, count: tokens * width)
    )
    var products = 0
    for (start, end) in zip(segments, segments.dropFirst()) {
      for head in 0..<heads {
        let columns = head * headWidth..<(head + 1) * headWidth
        for row in start..<end {
          let probabilities = probabilities(of: row, over: start..<end, head: head, &products)
          var gradients: [Double] = []
          for (key, probability) in probabilities.enumerated() {
            let factor = dropout?(head, row, key) ?? 1
            var product = 0.0
            for column in columns {
              product += dy[row * width + column] * element(value, start + key, column)
              dv[(start + key) * width + column] += dy[row * width + column] * probability * factor
            }
            gradients.append(product * factor + received[start + key] / Double(heads))
          }
          // The softmax: dscore = p (dp - sum p dp).
          let mean = zip(probabilities, gradients).reduce(0) { $0 + $1.0 * $1.1 }
          for (key, probability) in probabilities.enumerated() {
            let score = probability * (gradients[key] - mean) / scale
            for column in columns {
              dq[row * width + column] += score * element(self.key, start + key, column)
              dk[(start + key) * width + column] += score * element(query, row, column)
            }
          }
        }
      }
    }
    return (dq, dk, dv)
  }

  private func element(_ operand: AttentionOperand, _ row: Int, _ column: Int) -> Double {
    operand.values[row * operand.stride + operand.first + column]
  }
}
