// A tensor holds what its type says, and hands out nothing else.

import PyramidIR
import PyramidReference
import Testing

struct TensorTests {
  private let type = TensorType(.f32, [.dim(.admittedTokens), .fixed(2)])

  @Test func `rows and columns come from the extents`() throws {
    let tensor = try ReferenceTensor(type: type, extents: [3, 2], elements: .floats([1, 2, 3, 4, 5, 6]))
    #expect(tensor.rows == 3)
    #expect(tensor.columns == 2)
    #expect(try tensor.row(2) == [5, 6])
    #expect(throws: ReferenceError("row 3 does not lie in the 3 of f32[T0, 2]")) { try tensor.row(3) }
    #expect(throws: ReferenceError("row -1 does not lie in the 3 of f32[T0, 2]")) { try tensor.row(-1) }
    #expect(throws: ReferenceError("f32[T0, 2] holds no i32")) { try tensor.integers }
  }

  @Test(arguments: [
    ([3, 2], ReferenceTensor.Elements.floats([1])), ([1, 2], .integers([1, 2])), ([2], .floats([1, 2])),
  ])
  func `elements of another count or format are refused`(extents: [Int], elements: ReferenceTensor.Elements) {
    #expect(throws: ReferenceError.self) { try ReferenceTensor(type: type, extents: extents, elements: elements) }
  }
}
