// Attention in which positions count, against plain loops in Double: windows, biases and products with tables of distances,
// texts with gaps, first tokens alone; and that a sample's bits do not depend on its batch.
import CPyramidKernels
import Glibc
import Testing

/// A ragged batch and what its attention adds to scores.
struct RelativeCase {
  var lengths: [Int]
  let heads, dim, seed: Int
  var window = -1
  var hasBias = false, hasQueries = false, hasKeys = false
  /// Every how manyth token of a text is left, the first always.
  var step = 1
  var isOfFirst = false
  var counts = false

  static let reach = 700, tableRows = 40
  var width: Int { heads * dim }
  var tokens: Int { lengths.reduce(0, +) }
  var segments: [Int32] { lengths.reduce(into: [0]) { $0.append($0.last! + Int32($1)) } }
  var scale: Float { 1 / Float(dim * (1 + (hasQueries ? 1 : 0) + (hasKeys ? 1 : 0))).squareRoot() }
  /// Uneven gaps, where there are any.
  var positions: [Int32] {
    lengths.flatMap { length in (0..<length).map { Int32($0 * step + (step > 1 && $0 % 3 == 2 ? 1 : 0)) } }
  }
  var tables: [Float] {
    var numbers = Numbers(seed + 77)
    return numbers.next(Self.tableRows * width, scale: 2)
  }
  var sizes: [Float]? { counts ? (0..<tokens).map { Float([1, 3, 1, 2][$0 % 4]) } : nil }

  /// The row of a key's position less the query's: descending.
  static func row(_ difference: Int) -> Int {
    let near = min(max(difference, -12), 12), far = (difference - near) / 50
    return min(max(tableRows / 2 - near - far, 0), tableRows - 1)
  }
  static let rows: [Int32] =
    (1 - reach...reach - 1).map { Int32(row($0)) } + [Int32](repeating: 0, count: 64)

  var qkv: [Float] {
    var numbers = Numbers(seed)
    return numbers.next(tokens * 3 * width, scale: 2)
  }
  /// Query rows of first tokens, one for each sample.
  var firstQueries: [Float] {
    let all = qkv
    return segments.dropLast().flatMap { all[Int($0) * 3 * width..<Int($0) * 3 * width + width] }
  }

  /// Output rows, what tokens receive, and what first tokens give.
  var reference: (out: [Double], received: [Double], fromFirst: [Double]) {
    let (all, table, positions, sizes) = (qkv.map(Double.init), tables.map(Double.init), positions.map(Int.init), sizes)
    let bounds = segments.map(Int.init)
    var (out, received) = ([Double](repeating: 0, count: tokens * width), [Double](repeating: 0, count: tokens))
    var fromFirst = received
    func dot(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    func part(_ which: Int, _ token: Int, _ head: Int) -> ArraySlice<Double> {
      let start = token * 3 * width + which * width + head * dim
      return all[start..<start + dim]
    }
    for (first, end) in zip(bounds, bounds.dropFirst()) {
      for head in 0..<heads {
        for query in first..<end {
          var scores = (first..<end).map { key -> Double in
            let difference = positions[key] - positions[query], row = Self.row(difference)
            let line = table[row * width + head * dim..<row * width + (head + 1) * dim]
            if window >= 0 && abs(difference) > window { return -.infinity }
            var sum = dot(part(0, query, head), part(1, key, head))
            if hasQueries { sum += dot(part(0, query, head), line) }
            if hasKeys { sum += dot(part(1, key, head), line) }
            return sum * Double(scale) + (hasBias ? table[row * heads + head] : 0)
          }
          let most = scores.max() ?? 0
          scores = scores.enumerated().map { exp($1 - most) * Double(sizes?[first + $0] ?? 1) }
          let sum = scores.reduce(0, +)
          for (place, score) in scores.enumerated() {
            let (key, share) = (first + place, score / sum)
            received[key] += share / Double(heads)
            if query == first { fromFirst[key] += share * Double(end - first) / Double(heads) }
            for (column, value) in part(2, key, head).enumerated() {
              out[query * width + head * dim + column] += share * value
            }
          }
        }
      }
    }
    return (out, received, fromFirst)
  }

  func run(_ isa: mp_isa, threads: Int32, signals: Bool = true, shift: Int = 0) -> (
    out: Buffer, received: Buffer, fromFirst: Buffer
  ) {
    let samples = lengths.count
    let input = Buffer(qkv, shift: shift), first = Buffer(firstQueries), table = Buffer(tables, shift: shift)
    let out = Buffer(count: (isOfFirst ? samples : tokens) * width, shift: shift)
    let received = Buffer(count: tokens, shift: shift), fromFirst = Buffer(count: tokens, shift: shift)
    let counts = sizes.map { Buffer($0, shift: shift) }
    let scratch = Buffer(
      count: mp_relative_attention_scratch_count(
        isa, threads, Int32(tokens), Int32(lengths.max() ?? 0), Int32(heads), Int32(dim), Int32(Self.tableRows)))
    var relation = mp_relation()
    (relation.window, relation.scale) = (Int32(window), scale)
    (relation.reach, relation.table_rows) = (Int32(Self.reach), Int32(Self.tableRows))
    if hasBias { relation.bias = UnsafePointer(table.start) }
    if hasQueries { relation.queries = UnsafePointer(table.start) }
    if hasKeys { relation.keys = UnsafePointer(table.start) }
    segments.withUnsafeBufferPointer { segments in
      positions.withUnsafeBufferPointer { positions in
        Self.rows.withUnsafeBufferPointer { rows in
          if hasBias || hasQueries || hasKeys { relation.rows = rows.baseAddress }
          withUnsafePointer(to: relation) { relation in
            var call = mp_attention_call()
            (call.isa, call.threads, call.precision) = (isa, threads, MP_PRECISION_F32)
            call.q = UnsafePointer(isOfFirst ? first.start : input.start)
            (call.k, call.v) = (UnsafePointer(input.start + width), UnsafePointer(input.start + 2 * width))
            (call.stride, call.segments, call.samples) = (Int32(3 * width), segments.baseAddress, Int32(samples))
            (call.heads, call.head_dim, call.out) = (Int32(heads), Int32(dim), out.start)
            if signals && !isOfFirst { call.received = received.start }
            if signals { call.from_first = fromFirst.start }
            call.sizes = counts.map { UnsafePointer($0.start) }
            (call.scratch, call.relation, call.positions) = (scratch.start, relation, positions.baseAddress)
            (call.is_of_first, call.q_stride) = (isOfFirst ? 1 : 0, Int32(width))
            mp_attention(&call)
          }
        }
      }
    }
    for buffer in [out, received, fromFirst, scratch] { buffer.expectMarginsIntact("relative attention") }
    return (out, received, fromFirst)
  }
}

extension Kernels {
  @Suite struct RelativeAttention {
    init() { mp_set_team(3) }

    static let ragged = [1, 2, 3, 5, 8, 15, 16, 17, 31, 33]
    static let cases: [RelativeCase] = [
      RelativeCase(lengths: ragged, heads: 2, dim: 7, seed: 1, window: 4),
      RelativeCase(lengths: [64, 127, 128, 129, 300], heads: 1, dim: 16, seed: 2, window: 33),
      RelativeCase(lengths: [511, 9], heads: 1, dim: 4, seed: 3, window: 1),
      RelativeCase(lengths: ragged, heads: 3, dim: 8, seed: 4, hasBias: true),
      RelativeCase(lengths: [129, 40, 2], heads: 2, dim: 5, seed: 5, window: 20, hasBias: true, step: 2),
      RelativeCase(lengths: ragged, heads: 2, dim: 9, seed: 6, hasQueries: true),
      RelativeCase(lengths: [70, 24, 25, 1], heads: 2, dim: 16, seed: 7, hasKeys: true),
      RelativeCase(lengths: [300, 128, 3], heads: 1, dim: 12, seed: 8, hasQueries: true, hasKeys: true),
      RelativeCase(
        lengths: [100, 31, 5], heads: 2, dim: 33, seed: 9, hasQueries: true, hasKeys: true, step: 4, counts: true),
      RelativeCase(
        lengths: [5, 48, 1], heads: 2, dim: 64, seed: 10, window: 9, hasQueries: true, hasKeys: true, step: 3),
    ]

    @Test func `outputs and token scores equal the reference`() {
      for (index, batch) in Self.cases.enumerated() {
        let expected = batch.reference
        for setting in Setting.all {
          let what = "\(setting.testDescription), case \(index)"
          let actual = batch.run(setting.isa, threads: setting.threads, shift: index % 4)
          expectClose(actual.out.values, expected.out, within: 2e-5, "out, \(what)")
          expectClose(actual.received.values, expected.received, within: 2e-5, "received, \(what)")
          expectClose(actual.fromFirst.values, expected.fromFirst, within: 5e-5, "from first, \(what)")
        }
      }
    }

    @Test func `first tokens alone get the rows that they get among all`() {
      for (index, all) in Self.cases.enumerated() {
        var batch = all
        batch.isOfFirst = true
        let expected = all.reference
        let rows = all.segments.dropLast().flatMap { expected.out[Int($0) * all.width..<(Int($0) + 1) * all.width] }
        for setting in Setting.all {
          let actual = batch.run(setting.isa, threads: setting.threads)
          expectClose(actual.out.values, Array(rows), within: 2e-5, "out, \(setting.testDescription), case \(index)")
          expectClose(
            actual.fromFirst.values, expected.fromFirst, within: 5e-5, "\(setting.testDescription), case \(index)")
        }
      }
    }

    @Test(arguments: Path.invariant) func `a sample's bits do not depend on its batch, threads or scores`(_ path: Path)
    {
      for batch in Self.cases {
        let whole = batch.run(path.isa, threads: 3).out.bits
        #expect(batch.run(path.isa, threads: 1, signals: false).out.bits == whole)
        // The reversed batch has other numbers in its rows; so the same sample is repeated before and after others.
        var repeated = batch
        repeated.lengths = [batch.lengths[0]]
        let alone = repeated.run(path.isa, threads: 2).out.bits
        #expect(Array(whole.prefix(alone.count)) == alone)
      }
    }
  }
}
