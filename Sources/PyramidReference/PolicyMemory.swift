// Memory that policies are shown by address: the signals of one call, and each sample's own memory between heads. It is
// kept apart because it is the only part of the interpreter that allocates by hand.

import PyramidPolicy

/// Copies of signals at fixed addresses, valid until `deallocate`.
struct SignalBuffers {
  private var allocations: [UnsafeMutableRawPointer] = []

  func deallocate() {
    for allocation in allocations { allocation.deallocate() }
  }

  /// The address of a copy.
  mutating func copy<Value: BitwiseCopyable>(_ values: some Collection<Value>) -> UnsafePointer<Value> {
    let buffer = UnsafeMutableBufferPointer<Value>.allocate(capacity: max(values.count, 1))
    _ = buffer.initialize(fromContentsOf: values)
    allocations.append(UnsafeMutableRawPointer(buffer.baseAddress!))
    return UnsafePointer(buffer.baseAddress!)
  }
}

/// The memory of an exit policy for every sample of a batch: initialised once, kept by sample number, destroyed at the
/// end.
final class SampleMemories {
  private let policy: PolicyInstance
  private let samples: Int
  private let start: UnsafeMutableRawPointer

  init(_ policy: PolicyInstance, samples: Int) {
    self.policy = policy
    self.samples = samples
    start = .allocate(byteCount: max(samples, 1) * policy.memoryStride, alignment: policy.memoryAlignment)
    for sample in 0..<samples { policy.initializeMemory(at: self[sample]) }
  }

  deinit {
    for sample in 0..<samples { policy.destroyMemory(at: self[sample]) }
    start.deallocate()
  }

  /// The memory of a sample.
  subscript(sample: Int) -> UnsafeMutableRawPointer { start + sample * policy.memoryStride }
}
