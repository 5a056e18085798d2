// Buckets of distances against values that PyTorch computes: those of T5's and MPNet's `relative_position_bucket`, and of
// DeBERTa's `make_log_bucket_position` with `att_span` added and clamped.

import PyramidIR
import Testing

@Suite struct DistanceBucketTests {
  @Test func `near distances of halves have rows of their own, far ones share, and keys after the query come second`() {
    let buckets = DistanceBuckets(.halves, count: 32, reach: 128)
    #expect((0...8).map { buckets.row(of: $0) } == Array(0...8))
    #expect(
      [11, 12, 15, 16, 22, 23, 31, 32, 45, 46, 63, 64, 90, 91, 127, 128, 5000].map { buckets.row(of: $0) }
        == [8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 15, 15])
    for distance in 1...300 { #expect(buckets.row(of: -distance) == buckets.row(of: distance) + 16) }
  }

  @Test(arguments: [
    (
      256, 512,
      [0, 1, 23, 64, 87, 127, 128, 192, 247, 255, 256, 257, 264, 319, 383, 384, 385, 386, 446, 463, 511, 511, 511]
    ),
    (32, 128, [0, 0, 0, 0, 0, 0, 0, 5, 23, 31, 32, 33, 40, 58, 63, 63, 63, 63, 63, 63, 63, 63, 63]),
    (12, 48, [0, 0, 0, 0, 0, 0, 0, 0, 5, 11, 12, 13, 19, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23]),
    (
      128, 512,
      [0, 1, 8, 21, 29, 42, 42, 64, 119, 127, 128, 129, 136, 191, 213, 214, 214, 214, 234, 239, 255, 255, 255]
    ),
    (
      256, 1024,
      [0, 43, 58, 85, 100, 127, 128, 192, 247, 255, 256, 257, 264, 319, 383, 384, 385, 385, 425, 437, 469, 469, 511]
    ),
    (9, 0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 9, 10, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17]),
  ])
  func `centred buckets are those of DeBERTa`(count: Int, reach: Int, rows: [Int]) {
    let buckets = DistanceBuckets(.centred, count: count, reach: reach)
    let found = Self.distances.map { buckets.row(of: $0) }
    #expect(found == rows)
    #expect(zip(found, found.dropFirst()).allSatisfy { $0 <= $1 })
  }

  static let distances = [
    -5000, -511, -400, -257, -200, -129, -128, -64, -9, -1, 0, 1, 8, 63, 127, 128, 129, 130, 250, 300, 511, 512, 5000,
  ]
}
