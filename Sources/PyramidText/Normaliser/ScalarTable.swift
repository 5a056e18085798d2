// A value for every Unicode scalar in two array reads. Pages of 256 scalars that hold one value are shared, so that
// a table of a few thousand exceptions takes tens of kilobytes and fills in microseconds.

/// A sparse map from scalar values (0...0x10FFFF) to small values; a scalar that was never set has the default.
struct ScalarTable<Value: Sendable & Equatable>: Sendable {
  private static var pageCount: Int { 0x110000 >> 8 }

  private var pageOf: [UInt16]
  private var pages: [Value]
  /// The pages that stand for whole ranges of one value and must be copied before a single scalar is set.
  private var uniformPages: [(page: UInt16, value: Value)]

  init(default value: Value) {
    pageOf = Array(repeating: 0, count: Self.pageCount)
    pages = Array(repeating: value, count: 256)
    uniformPages = [(0, value)]
  }

  /// The value of a scalar; `scalar` is at most 0x10FFFF.
  @inline(__always)
  subscript(scalar: UInt32) -> Value { pages[Int(pageOf[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }

  /// Changes the value of every scalar in `range` by `change`, which is applied to one value per uniform page.
  mutating func update(_ range: ClosedRange<UInt32>, _ change: (inout Value) -> Void) {
    for page in Int(range.lowerBound >> 8)...Int(range.upperBound >> 8) {
      let first = max(range.lowerBound, UInt32(page) << 8)
      let last = min(range.upperBound, UInt32(page) << 8 | 0xFF)
      let shared = uniformPages.first { $0.page == pageOf[page] }
      if let shared, last - first == 0xFF {
        var value = shared.value
        change(&value)
        pageOf[page] = uniformPage(of: value)
        continue
      }
      if let shared { pageOf[page] = appendPage(of: shared.value) }
      let base = Int(pageOf[page]) << 8
      for scalar in first...last { change(&pages[base | Int(scalar & 0xFF)]) }
    }
  }

  private mutating func uniformPage(of value: Value) -> UInt16 {
    if let known = uniformPages.first(where: { $0.value == value }) { return known.page }
    let page = appendPage(of: value)
    uniformPages.append((page, value))
    return page
  }

  private mutating func appendPage(of value: Value) -> UInt16 {
    pages.append(contentsOf: repeatElement(value, count: 256))
    return UInt16(pages.count / 256 - 1)
  }
}
