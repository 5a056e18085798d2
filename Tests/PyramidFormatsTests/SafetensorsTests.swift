// safetensors: what the writer writes is valid, aligned, complete or absent, and reads back.

import Testing

@testable import PyramidFormats

@Suite struct `Safetensors` {
  private func bytes(of path: String) throws -> [UInt8] { try MappedFile(path: path).withBytes { Array($0) } }

  private func write(_ path: String, alignment: Int = 64) throws {
    var writer = try SafetensorsWriter(
      path: path,
      tensors: [
        TensorDeclaration("weight", .F32, [2, 3]), TensorDeclaration("half", .F16, [5]),
        TensorDeclaration("none", .F32, [0, 7]), TensorDeclaration("brain", .BF16, []),
        TensorDeclaration("ids", .I64, [2]), TensorDeclaration("raw", .U8, [64]),
      ],
      metadata: [("format", "pt"), ("graph", "line 1\nline \"2\"")], alignment: alignment)
    // A tensor may come in pieces.
    try writer.append([1, 2] as [Float], to: "weight")
    try writer.append([3, 4, 5, -6] as [Float], to: "weight")
    try writer.append([0.5, -1, 65504, 6e-8, 0] as [Float], to: "half")
    try writer.append([-2.5] as [Float], to: "brain")
    try [Int64(7), -8].withUnsafeBytes { try writer.append($0, to: "ids") }
    try [UInt8](0..<64).withUnsafeBytes { try writer.append($0, to: "raw") }
    try writer.finish()
  }

  @Test(arguments: [1, 8, 64, 4096])
  func `What is written reads back, aligned as asked`(_ alignment: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.safetensors")
    try write(path, alignment: alignment)
    let file = try SafetensorsFile(path: path)
    #expect(folder.names == ["a.safetensors"])
    #expect(file.metadata == ["format": "pt", "graph": "line 1\nline \"2\""])
    #expect(file.tensors.map(\.name) == ["weight", "half", "none", "brain", "ids", "raw"])
    #expect(file.tensors.allSatisfy { $0.byteRange.lowerBound % alignment == 0 })
    let weight = try #require(file.entry(named: "weight"))
    #expect(weight.shape == [2, 3])
    #expect(weight.elementCount == 6)
    #expect(try file.floats(of: weight) == [1, 2, 3, 4, 5, -6])
    #expect(try file.floats(of: #require(file.entry(named: "half"))) == [0.5, -1, 65504, 0x1p-24, 0])
    #expect(try file.floats(of: #require(file.entry(named: "brain"))) == [-2.5])
    #expect(try file.floats(of: #require(file.entry(named: "none"))).isEmpty)
    #expect(Array(file.bytes(of: try #require(file.entry(named: "raw")))) == Array(0..<64))
    #expect(file.entry(named: "absent") == nil)
  }

  @Test func `A header that names more tensors than any model has is refused while it is read`() throws {
    let folder = try TemporaryFolder()
    let tensor = #":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
    let json = "{" + (0..<200_000).map { #""w\#($0)"\#(tensor)"# }.joined(separator: ",") + "}"
    let length = withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian) { Array($0) }
    let path = try folder.write("many.safetensors", length + Array(json.utf8))
    #expect { try SafetensorsFile(path: path) } throws: { "\($0)".hasSuffix("more than 1000000 values") }
  }

  /// Swift takes such names for one, and would hand out either tensor for both.
  @Test func `Names that differ only in Unicode normalisation are refused`() throws {
    let folder = try TemporaryFolder()
    func file(_ names: [String]) throws -> String {
      let entries = names.enumerated().map {
        #""\#($1)":{"dtype":"U8","shape":[1],"data_offsets":[\#($0),\#($0 + 1)]}"#
      }
      let json = "{" + entries.joined(separator: ",") + "}"
      let length = withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian) { Array($0) }
      return try folder.write("names.safetensors", length + Array(json.utf8) + names.map { _ in 7 })
    }
    #expect(try SafetensorsFile(path: file(["\u{E9}", "e"])).tensors.count == 2)
    let error = #expect(throws: FormatError.self) { try SafetensorsFile(path: file(["\u{E9}", "e\u{301}"])) }
    #expect(error?.problem == "the same name as another tensor's but for Unicode normalisation")
  }

  @Test func `Floats are refused of other types`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.safetensors")
    try write(path)
    let file = try SafetensorsFile(path: path)
    let error = #expect(throws: FormatError.self) { try file.floats(of: #require(file.entry(named: "ids"))) }
    #expect(error?.problem.hasPrefix("expected F64, F32, F16 or BF16, found I64") == true)
  }

  @Test func `A writer that is not finished leaves what was there`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.safetensors", "old")
    do {
      var writer = try SafetensorsWriter(path: path, tensors: [TensorDeclaration("a", .F32, [2])])
      try writer.append([1] as [Float], to: "a")
      #expect(try bytes(of: path) == Array("old".utf8))
    }
    #expect(folder.names == ["a.safetensors"])
    let error = #expect(throws: OutputError.self) {
      var writer = try SafetensorsWriter(path: path, tensors: [TensorDeclaration("a", .F32, [2])])
      try writer.append([1] as [Float], to: "a")
      try writer.finish()
    }
    #expect(error?.problem == "4 bytes given, 8 declared")
    #expect(folder.names == ["a.safetensors"])
    #expect(try bytes(of: path) == Array("old".utf8))
  }

  @Test func `Tensors out of turn, too long, twice or reserved are refused`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.safetensors")
    let two = [TensorDeclaration("a", .F32, [1]), TensorDeclaration("b", .U8, [1])]
    for (name, count, problem) in [
      ("b", 1, "expected \"a\""), ("a", 2, "8 bytes given, 4 declared"), ("c", 1, "expected \"a\""),
    ] {
      let error = #expect(throws: OutputError.self) {
        var writer = try SafetensorsWriter(path: path, tensors: two)
        try [UInt32](repeating: 0, count: count).withUnsafeBytes { try writer.append($0, to: name) }
      }
      #expect(error?.problem == problem)
    }
    for (tensors, problem) in [
      ([two[0], two[0]], "tensor declared twice"),
      ([TensorDeclaration("__metadata__", .U8, [])], "the name is reserved"),
      ([TensorDeclaration("__padding__.0", .U8, [])], "the name is reserved"),
      ([TensorDeclaration("a", .F32, [.max, 2])], "shape [9223372036854775807, 2] is too large"),
      ([TensorDeclaration("a", .F32, [-1])], "shape [-1] is too large"),
    ] {
      let error = #expect(throws: OutputError.self) { _ = try SafetensorsWriter(path: path, tensors: tensors) }
      #expect(error?.problem == problem)
    }
    #expect(folder.names.isEmpty)
  }

  @Test func `Output goes to regular files in folders that exist`() throws {
    let folder = try TemporaryFolder()
    for path in [folder.path, "/dev/null", folder.path("no/such/folder"), "", "a\u{0}b"] {
      #expect(throws: OutputError.self) { try OutputFile.write("text", to: path) }
    }
    #expect(folder.names.isEmpty)
  }

  @Test func `A file that is flipped in any one byte is read or refused, never trusted beyond its end`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.safetensors")
    try write(path, alignment: 8)
    let original = try bytes(of: path)
    let headerEnd = try #require(SafetensorsFile(path: path).tensors.first).byteRange.lowerBound
    var refused = 0
    for index in 0..<headerEnd {
      for mask: UInt8 in [0x01, 0x02, 0x10, 0x80, 0xFF] {
        var changed = original
        changed[index] ^= mask
        changed.withUnsafeBytes { bytes in
          do {
            let header = try SafetensorsHeader(reading: bytes, file: "flipped")
            #expect(header.tensors.allSatisfy { $0.byteRange.upperBound <= bytes.count })
          } catch {
            refused += 1
          }
        }
      }
    }
    #expect(refused > headerEnd)
    for length in 0..<headerEnd {
      original.withUnsafeBytes { bytes in
        _ = #expect(throws: FormatError.self) {
          try SafetensorsHeader(reading: UnsafeRawBufferPointer(rebasing: bytes[..<length]), file: "cut")
        }
      }
    }
  }
}
