// What a weight symbol is made of, where that is not simply a tensor of the checkpoint: rows of one, zeros that stand for a
// bias that the model has not, or a table that a layer's projections make of a shared one. It is written in the graph as
// the weight's source, so whoever has the graph and the checkpoint can compute the values.

/// A part of a weight: `NAME`, `NAME[2:]`, `NAME[0:64]`, `zeros(64)`, `linear(PART, PREFIX)` or
/// `layer_norm(PART, PREFIX, EPSILON)`, the last two with the weight and bias of a prefix.
indirect enum TensorExpression: Equatable {
  /// Rows of a tensor, by canonical name: all that there are before `end`, from `first` on.
  case tensor(String, first: Int = 0, end: Int? = nil)
  /// A vector.
  case zeros(Int)
  /// x W^T + b of each row.
  case linear(TensorExpression, String)
  /// The norm of each row.
  case layerNorm(TensorExpression, String, epsilon: Double)

  /// As a weight's source.
  var source: String {
    switch self {
    case .tensor(let name, 0, nil): name
    case .tensor(let name, let first, let end):
      "\(name)[\(first == 0 && end != nil ? "0" : "\(first)"):\(end.map { "\($0)" } ?? "")]"
    case .zeros(let count): "zeros(\(count))"
    case .linear(let x, let prefix): "linear(\(x.source), \(prefix))"
    case .layerNorm(let x, let prefix, let epsilon): "layer_norm(\(x.source), \(prefix), \(epsilon))"
    }
  }

  /// The tensors that it reads, by canonical name.
  var tensors: [String] {
    switch self {
    case .tensor(let name, _, _): [name]
    case .zeros: []
    case .linear(let x, let prefix), .layerNorm(let x, let prefix, _):
      x.tensors + [prefix + ".weight", prefix + ".bias"]
    }
  }

  /// The same of tensors whose names begin with `start`.
  func prefixed(_ start: String) -> TensorExpression {
    switch self {
    case .tensor(let name, let first, let end): .tensor(start + name, first: first, end: end)
    case .zeros: self
    case .linear(let x, let prefix): .linear(x.prefixed(start), start + prefix)
    case .layerNorm(let x, let prefix, let epsilon): .layerNorm(x.prefixed(start), start + prefix, epsilon: epsilon)
    }
  }

  /// What a source means; a name that is none of the forms is a tensor's.
  init(source: String) { self = Self.call(source[...], depth: 0) ?? .tensor(source) }

  private static func call(_ text: Substring, depth: Int) -> TensorExpression? {
    guard depth < 4 else { return nil }
    func inside(_ name: String) -> Substring? {
      text.hasPrefix(name + "(") && text.hasSuffix(")") ? text.dropFirst(name.count + 1).dropLast() : nil
    }
    if let count = inside("zeros").flatMap({ Int($0) }), count > 0 { return .zeros(count) }
    if let parts = inside("linear").flatMap({ split($0, 1) }) {
      return .linear(call(parts[0], depth: depth + 1) ?? .tensor(String(parts[0])), String(parts[1]))
    }
    if let parts = inside("layer_norm").flatMap({ split($0, 2) }), let epsilon = Double(parts[2]) {
      let x = call(parts[0], depth: depth + 1) ?? .tensor(String(parts[0]))
      return .layerNorm(x, String(parts[1]), epsilon: epsilon)
    }
    return rows(text)
  }

  /// The first argument, which may hold commas, and `count` more.
  private static func split(_ text: Substring, _ count: Int) -> [Substring]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count > count else { return nil }
    let tail = parts.suffix(count)
    let head = text[..<text.index(before: tail[tail.startIndex].startIndex)]
    return [head] + tail.map { $0.drop { $0 == " " } }
  }

  private static func rows(_ text: Substring) -> TensorExpression? {
    guard text.hasSuffix("]"), let open = text.lastIndex(of: "[") else { return nil }
    let bounds = text[text.index(after: open)...].dropLast().split(separator: ":", omittingEmptySubsequences: false)
    guard bounds.count == 2, let first = Int(bounds[0]), first >= 0 else { return nil }
    if bounds[1].isEmpty { return .tensor(String(text[..<open]), first: first) }
    guard let end = Int(bounds[1]), end >= first else { return nil }
    return .tensor(String(text[..<open]), first: first, end: end)
  }
}

extension Weights {
  /// The values of an expression, row-major; `symbol` is the weight that they are for. Throws when the checkpoint lacks a
  /// tensor, or its shape does not fit.
  func values(of expression: TensorExpression, for symbol: String) throws -> [Float] {
    switch expression {
    case .zeros(let count): return [Float](repeating: 0, count: count)
    case .tensor(let name, let first, let end):
      let all = try values(ofTensor: name, symbol)
      if first == 0 && end == nil { return all }
      guard let shape = shape(of: name), let rows = shape.first, rows > 0, first <= end ?? rows, end ?? rows <= rows
      else { throw CheckpointError(description: "\(name) has no rows \(first) to \(end ?? first) for #\(symbol)") }
      let columns = all.count / rows
      return Array(all[first * columns..<(end ?? rows) * columns])
    case .linear(let x, let prefix):
      let (rows, weight) = (try values(of: x, for: symbol), try values(ofTensor: prefix + ".weight", symbol))
      return try Self.product(rows, weight, bias: values(ofTensor: prefix + ".bias", symbol), symbol)
    case .layerNorm(let x, let prefix, let epsilon):
      let (gamma, beta) = (
        try values(ofTensor: prefix + ".weight", symbol), try values(ofTensor: prefix + ".bias", symbol)
      )
      return try Self.norm(values(of: x, for: symbol), gamma, beta, epsilon, symbol)
    }
  }

  private static func product(_ x: [Float], _ weight: [Float], bias: [Float], _ symbol: String) throws -> [Float] {
    let columns = bias.count
    let depth = columns == 0 ? 0 : weight.count / columns
    guard depth > 0, weight.count == depth * columns, x.count % depth == 0 else {
      throw CheckpointError(description: "shapes of a product do not fit for #\(symbol)")
    }
    var result = [Float](repeating: 0, count: x.count / depth * columns)
    x.withUnsafeBufferPointer { x in
      weight.withUnsafeBufferPointer { weight in
        for row in 0..<x.count / depth {
          for column in 0..<columns {
            var sums = SIMD8<Double>.zero
            var k = 0
            let (a, b) = (x.baseAddress! + row * depth, weight.baseAddress! + column * depth)
            while k + 8 <= depth {
              let left = UnsafeRawPointer(a + k).loadUnaligned(as: SIMD8<Float>.self)
              let right = UnsafeRawPointer(b + k).loadUnaligned(as: SIMD8<Float>.self)
              sums += SIMD8<Double>(left) * SIMD8<Double>(right)
              k += 8
            }
            var sum = sums.sum()
            while k < depth {
              sum += Double(a[k]) * Double(b[k])
              k += 1
            }
            result[row * columns + column] = Float(sum + Double(bias[column]))
          }
        }
      }
    }
    return result
  }

  private static func norm(
    _ x: [Float], _ gamma: [Float], _ beta: [Float], _ epsilon: Double, _ symbol: String
  ) throws -> [Float] {
    let width = gamma.count
    guard width > 0, beta.count == width, x.count % width == 0 else {
      throw CheckpointError(description: "shapes of a norm do not fit for #\(symbol)")
    }
    var result = x
    for start in stride(from: 0, to: x.count, by: width) {
      let row = x[start..<start + width].map { Double($0) }
      let mean = row.reduce(0, +) / Double(width)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let scale = 1 / (variance + epsilon).squareRoot()
      for (column, value) in row.enumerated() {
        result[start + column] = Float((value - mean) * scale * Double(gamma[column]) + Double(beta[column]))
      }
    }
    return result
  }
}
