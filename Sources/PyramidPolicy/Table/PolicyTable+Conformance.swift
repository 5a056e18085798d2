// The policy's side of the table: C functions that find the class behind the context pointer and call it. They are
// written once, without generics, and everything that differs between policies is behind a virtual call.

extension PolicyTable {
  /// The table of a policy type. The type behind it is kept for the life of the process, as tables have no end.
  init(_ type: PolicyConformance) {
    size = MemoryLayout<PolicyTable>.size
    context = Unmanaged.passRetained(type).toOpaque()
    (memorySize, memoryStride, memoryAlignment) = type.memoryLayout
    describe = { copy(conformance($0).description.text, to: $1, $2) }
    create = { context, text, length, values, count, error, capacity, errorLength in
      do {
        let text = String(decoding: UnsafeBufferPointer(start: text, count: length), as: UTF8.self)
        let type = conformance(context)
        let arguments = try CreationText.read(
          text, UnsafeBufferPointer(start: values, count: count), for: type.description)
        return Unmanaged.passRetained(try type.make(arguments)).toOpaque()
      } catch let failure {
        errorLength.pointee = copy("\(failure)", to: error, capacity)
        return nil
      }
    }
    destroy = { Unmanaged<ErasedPolicy>.fromOpaque($0).release() }
    isActive = { instance, layer in withPolicy(instance) { $0.isActive(layer) } }
    reads = { withPolicy($0) { $0.declared } }
    moment = { PruningMoment.allCases.firstIndex(of: withPolicy($0) { $0.moment }) ?? 0 }
    remainder = { Remainder.allCases.firstIndex(of: withPolicy($0) { $0.remainder }) ?? 0 }
    merge = { instance, sample, targets in
      withPolicy(instance) { $0.merge(sample.assumingMemoryBound(to: TokenViewStorage.self), targets) }
    }
    retention = { instance, layer, payload in
      let encoded = withPolicy(instance) { $0.retention(layer) }.encoded
      payload.pointee = encoded.payload
      return encoded.kind
    }
    score = { instance, sample, scores in
      withPolicy(instance) { $0.score(sample.assumingMemoryBound(to: TokenViewStorage.self), scores) }
    }
    initializeMemory = { instance, memory in withPolicy(instance) { $0.initializeMemory(memory) } }
    destroyMemory = { instance, memory in withPolicy(instance) { $0.destroyMemory(memory) } }
    shouldExit = { instance, head, memory in
      withPolicy(instance) { $0.shouldExit(head.assumingMemoryBound(to: ExitViewStorage.self), memory) }
    }
  }
}

@inline(__always)
private func withPolicy<Result>(_ instance: UnsafeMutableRawPointer, _ body: (ErasedPolicy) -> Result) -> Result {
  Unmanaged<ErasedPolicy>.fromOpaque(instance)._withUnsafeGuaranteedRef(body)
}

private func conformance(_ context: UnsafeMutableRawPointer) -> PolicyConformance {
  Unmanaged.fromOpaque(context).takeUnretainedValue()
}

/// Copies what fits and returns the bytes of the whole.
private func copy(_ text: String, to buffer: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> Int {
  if let buffer {
    for (index, byte) in text.utf8.prefix(max(0, capacity)).enumerated() { buffer[index] = byte }
  }
  return text.utf8.count
}
